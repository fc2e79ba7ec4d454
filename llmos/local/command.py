"""Run one program and turn its failure into one of our errors. The only place of llmos.local that calls subprocess.run."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmos.errors import ConfigError, PermanentError

__all__ = ["run", "tail", "try_run"]


def try_run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float | None = 300.0,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what came of it, success or not."""
    try:
        return subprocess.run(
            [str(part) for part in argv],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            env=None if environment is None else dict(environment),
            cwd=cwd,
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError as error:
        raise ConfigError(f"the program {argv[0]} is missing; run `make bootstrap`", reason="ProgramMissing") from error
    except subprocess.TimeoutExpired as error:
        raise PermanentError(f"`{_shown(argv)}` did not end within {timeout_s:.0f} s", reason="CommandTimedOut") from error


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float | None = 300.0,
) -> str:
    """Run a program and return its standard output; raise PermanentError with its last words if it fails."""
    done = try_run(argv, stdin=stdin, environment=environment, cwd=cwd, timeout_s=timeout_s)
    if done.returncode != 0:
        words = done.stderr.strip() or done.stdout.strip() or "it said nothing"
        raise PermanentError(f"`{_shown(argv)}` failed with {done.returncode}: {words[-2000:]}", reason="CommandFailed")
    return done.stdout


def tail(path: Path, *, num_lines: int = 10) -> str:
    """Return a log's last lines, or a note that there are none."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    return "\n".join(lines[-num_lines:]) or "(the log is empty)"


def _shown(argv: Sequence[str | Path]) -> str:
    text = " ".join(str(part) for part in argv)
    return text if len(text) <= 160 else text[:157] + "..."

"""Running one of our functions on data we do not trust: in a process of its own, with bounded memory and time, killed when it takes more.

For work whose worst case no check can foresee: canonical blank nodes are exponential, a PDF can hang its reader. The worker is a module
with `work(data, arguments) -> bytes`, which raises ValueError where the data is wrong. Must not: know what the work is.
"""

import contextlib
import importlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from llmos.errors import ConfigError

__all__ = ["main", "run_confined"]

_REFUSED: Final = 3
"""Exit code of a worker whose output says why the data cannot be used."""

_MEBIBYTE: Final = 1 << 20
_MESSAGE_CHARACTERS: Final = 300


def run_confined(
    module: str, data: bytes, *, arguments: Sequence[str] = (), what: str, timeout_s: float, memory_bytes: int, remedy: str
) -> bytes:
    """Give `data` to the worker `module` and return its answer.

    Args:
        module: where `work` is.
        data: what it gets.
        arguments: what else it gets.
        what: what is being worked on, for errors.
        timeout_s: after this it is killed, with all it started.
        memory_bytes: address space it may take.
        remedy: what whoever sees the error can do.

    Raises: ConfigError (InvalidSource) if it took too long, needed too much, or says that the data is wrong.
    """
    command = [sys.executable, "-P", "-m", "llmos.knowledge.formats.confined", module, str(memory_bytes), *arguments]
    # Nothing of our environment: a worker needs no credentials. -P and our own path: it finds what we found, and no other folder's.
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "LC_ALL": "C.UTF-8"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, env=environment) as process:
        try:
            answer, errors = process.communicate(data, timeout=timeout_s)
        except BaseException as error:  # an interrupted build must not leave it running either
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise ConfigError(f"{what} took more than {timeout_s:g} s and was given up; {remedy}", reason="InvalidSource") from None
            raise
    if process.returncode == 0:
        return answer
    is_refused = process.returncode == _REFUSED
    said = (answer if is_refused else errors).decode(errors="replace").strip().rsplit("\n", 1)[-1]
    how = "" if is_refused else f" (its reader ended with {process.returncode} at a limit of {memory_bytes // _MEBIBYTE} MiB)"
    raise ConfigError(f"{what} cannot be read{how}: {said[:_MESSAGE_CHARACTERS] or 'no message'}; {remedy}", reason="InvalidSource")


def main(argv: Sequence[str]) -> int:
    """Be the worker: limit ourselves, then work."""
    module, memory_bytes, *arguments = argv
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_bytes), int(memory_bytes)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer = importlib.import_module(module).work(sys.stdin.buffer.read(), arguments)
    except ValueError as error:
        sys.stdout.buffer.write(str(error).encode(errors="replace"))
        return _REFUSED
    sys.stdout.buffer.write(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

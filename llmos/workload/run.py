"""What every Job of ours does first and last: configuration, adoption, scratch, termination message, exit code.

A job's own module only turns a JobConfig into payloads: `def main(argv=None) -> int: return run_job(import_model, argv)`.
Must not: know what is made.
"""

import argparse
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import llmos
from llmos.artifacts import Payload, Provenance, Registry, Version, digest_hex
from llmos.errors import LlmosError
from llmos.workload.config import DEFAULT_CONFIG_PATH, JobConfig, load_job_config
from llmos.workload.logs import configure_logging
from llmos.workload.report import Reporter
from llmos.workload.stopping import EXIT_TERMINATED, Terminated, sigterm_raises
from llmos.workload.termination import DEFAULT_TERMINATION_PATH, write_termination
from llmos.workload.transfer import limited_room

__all__ = ["JobMain", "Result", "run_job"]

EXIT_DONE: Final = 0
EXIT_CRASHED: Final = 1

_REASON: Final = {"ModelImport": "Imported", "KnowledgeBuild": "Built", "Training": "Trained"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a job made; its payloads are pushed already, and `run_job` commits the version that names them."""

    payloads: Sequence[Payload]
    message: str
    """One line for people."""

    tools: Mapping[str, str] = field(default_factory=dict)
    """Name to version of what decided the bytes; `llmos` is added."""

    measurements: Mapping[str, Any] = field(default_factory=dict)
    """Strings and integers, nested or flat; never part of the version's digest."""


JobMain = Callable[[JobConfig, Reporter], Result]


def run_job(main: JobMain, argv: Sequence[str] | None = None) -> int:
    """Run a job's main once and return the exit code of the process.

    The main's `config.scratch` is a directory of its own, empty at the start and removed at the end.
    """
    parser = argparse.ArgumentParser(description="A workload of LLMOS; it is started by the operator.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG_PATH, help="configuration (llmos.dev/workload-v1)")
    parser.add_argument("--termination-log", type=Path, default=DEFAULT_TERMINATION_PATH, help="where the result is written")
    arguments = parser.parse_args(argv)
    configure_logging()
    try:
        with sigterm_raises():
            config = load_job_config(arguments.config)
            version, message = _run(main, config)
    except LlmosError as error:
        _log.error("%s: %s", error.reason, error)
        write_termination(reason=error.reason, message=error.message, path=arguments.termination_log)
        return error.exit_code
    except Terminated:
        _log.warning("stopped by SIGTERM; the next attempt starts again")
        write_termination(reason="JobFailed", message="stopped by SIGTERM before it was done", path=arguments.termination_log)
        return EXIT_TERMINATED
    except Exception as error:
        _log.exception("unexpected failure")
        write_termination(reason="JobFailed", message=f"{type(error).__name__}: {error}", path=arguments.termination_log)
        return EXIT_CRASHED
    _log.info("%s: %s (%s)", _REASON[config.kind], message, version.digest)
    write_termination(
        reason=_REASON[config.kind],
        message=message,
        digest=version.digest,
        inputs_hash=config.inputs_hash,
        path=arguments.termination_log,
    )
    return EXIT_DONE


def _run(main: JobMain, config: JobConfig) -> tuple[Version, str]:
    """Adopt the version that these inputs already have, or make it and commit it."""
    with Registry(config.artifacts.access) as registry:
        version = registry.find_version(config.target.repository, config.inputs_hash)
        # A version whose payload was lost is made again; its digest stays the same where the work is deterministic.
        if version is not None and registry.has_payloads(config.target.repository, version):
            return version, "found in the registry; nothing had to be done"
        if config.installation:
            registry.mark_owner(config.target.repository, config.installation)
        with (
            _scratch(config) as scratched,
            limited_room(config.scratch, config.scratch_bytes),
            Reporter(config.report, config.object) as reporter,
        ):
            result = main(scratched, reporter)
        provenance = Provenance(
            kind=config.object.kind,
            inputs_hash=config.inputs_hash,
            spec=config.spec,
            parents=config.parent_digests,
            payloads=result.payloads,
            tools={**result.tools, "llmos": llmos.__version__},
        )
        return registry.push_version(config.target.repository, provenance, result.measurements), result.message


@contextmanager
def _scratch(config: JobConfig) -> Iterator[JobConfig]:
    """Give the job a directory of its own below the configured one: only that is ever removed."""
    own = config.scratch / f"llmos-{digest_hex(config.inputs_hash)[:12]}"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    try:
        yield config.model_copy(update={"scratch": own})
    finally:
        shutil.rmtree(own, ignore_errors=True)

"""The init container of an inference pod: model and snapshots from the registry, by digest, into the pod's volumes.

Run as `python -m llmos.runtime.fetch`. Each piece appears whole or not at all, so the container may be killed and started again.
Must not: run a model.
"""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmos.artifacts import Payload, Registry, Version, digest_hex
from llmos.errors import ConfigError, LlmosError, PermanentError
from llmos.runtime.assets import LABELS_FILE, PREPROCESSING_FILE, SERVED_TASKS, TOKENIZER_FILE, TRITON_MODEL, PodPaths, load_assets
from llmos.runtime.snapshots import SnapshotRegistry, fetch_snapshot
from llmos.workload import InferenceConfig, configure_logging, load_inference_config, load_knowledge_config, write_termination
from llmos.workload.stopping import EXIT_TERMINATED, Terminated, sigterm_raises

__all__ = ["fetch_model", "main", "run"]

_CONFIG_FILE: Final = "config.pbtxt"
_WEIGHTS: Final = "model.onnx"
_VERSION_DIRECTORY: Final = "1"
_DEFAULT_TERMINATION: Final = Path("/dev/termination-log")

_log = logging.getLogger(__name__)


def fetch_model(registry: SnapshotRegistry, config: InferenceConfig, paths: PodPaths) -> None:
    """Bring the ONNX payload of the wanted precision, and lay out Triton's repository and the sidecar's assets.

    Raises: NotFoundError (DigestNotFound); ConfigError (PrecisionMissing, TaskMismatch, TaskNotServed); PermanentError (InvalidSource,
        ChecksumMismatch).
    """
    version = registry.get_version(config.model.repository, config.model.digest)
    wanted = version.provenance.spec.get("task")
    if version.provenance.kind == "Model" and wanted not in SERVED_TASKS:
        raise ConfigError(
            f"Model {config.model.name} is for {wanted}, which no service answers yet; {' and '.join(SERVED_TASKS)} are served",
            reason="TaskNotServed",
        )
    payload = choose_payload(version, name=config.model.name, precision=config.model.precision)
    source = registry.fetch_payload(config.model.repository, payload.digest, paths.models / "payload" / digest_hex(payload.digest))
    _lay_out(source, paths)
    found = load_assets(paths.assets).task
    if wanted != found:
        raise PermanentError(
            f"Model {config.model.name} has the task {wanted}, and its files are those of {found}; import the Model anew",
            reason="TaskMismatch",
        )
    _log.info("model %s %s, precision %s, is in place", config.model.name, config.model.digest, config.model.precision)


def choose_payload(version: Version, *, name: str, precision: str) -> Payload:
    """Return the ONNX payload of a precision; ConfigError says which there are."""
    provenance = version.provenance
    if provenance.kind != "Model":
        raise ConfigError(f"{version.digest} is a version of a {provenance.kind}, not of a Model", reason="TaskMismatch")
    payload = provenance.payload("onnx", precision=precision)
    if payload is None:
        built = sorted(item.attributes.get("precision", "?") for item in provenance.payloads if item.role == "onnx")
        raise ConfigError(
            f"Model {name} has no precision {precision}, only {', '.join(built) or 'none'}; add it to its spec.onnx.precisions, "
            "or change spec.precision of the InferenceService",
            reason="PrecisionMissing",
        )
    return payload


def _lay_out(source: Path, paths: PodPaths) -> None:
    """Link the payload's files to where Triton and the sidecar look; links, so that large weights exist once."""
    for name in (_WEIGHTS, _CONFIG_FILE, TOKENIZER_FILE, PREPROCESSING_FILE):
        if not (source / name).is_file():
            raise PermanentError(f"the model's payload lacks the file {name}; import the Model anew", reason="InvalidSource")
    weights = [path for path in source.iterdir() if path.name.startswith(_WEIGHTS)]
    assets = [source / name for name in (TOKENIZER_FILE, PREPROCESSING_FILE, LABELS_FILE) if (source / name).exists()]
    repository = {f"{TRITON_MODEL}/{_VERSION_DIRECTORY}/{path.name}": path for path in weights}
    _replace(paths.repository, repository | {f"{TRITON_MODEL}/{_CONFIG_FILE}": source / _CONFIG_FILE})
    _replace(paths.assets, {path.name: path for path in assets})


def _replace(directory: Path, files: dict[str, Path]) -> None:
    new = directory.with_name(f"{directory.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    for name, source in files.items():
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(source, new / name)
    # Nobody reads yet: Triton and the sidecar start after this container.
    shutil.rmtree(directory, ignore_errors=True)
    new.rename(directory)


def run(config: InferenceConfig, paths: PodPaths, registry: SnapshotRegistry) -> str:
    """Fetch everything and return one line about it."""
    fetch_model(registry, config, paths)
    references = load_knowledge_config(paths.active).knowledge
    for reference in references:
        fetch_snapshot(registry, reference, paths).close()
    return f"model {config.model.name} ({config.model.precision}) and {len(references)} snapshots are in place"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the init container; returns the exit code."""
    parser = argparse.ArgumentParser(description="Fetches what an inference pod of LLMOS serves.")
    parser.add_argument("--config", type=Path, default=PodPaths().config)
    parser.add_argument("--active", type=Path, default=PodPaths().active, help="which snapshots to fetch")
    parser.add_argument("--models", type=Path, default=PodPaths().models)
    parser.add_argument("--knowledge", type=Path, default=PodPaths().knowledge)
    parser.add_argument("--termination-log", type=Path, default=_DEFAULT_TERMINATION)
    arguments = parser.parse_args(argv)
    configure_logging()
    try:
        config = load_inference_config(arguments.config)
        paths = PodPaths(models=arguments.models, knowledge=arguments.knowledge, active=arguments.active, config=arguments.config)
        with sigterm_raises(), Registry(config.artifacts.access) as registry:
            message = run(config, paths, registry)
    except LlmosError as error:
        _log.error("%s: %s", error.reason, error)
        write_termination(reason=error.reason, message=error.message, path=arguments.termination_log)
        return error.exit_code
    except Terminated:
        _log.warning("stopped by SIGTERM; what was fetched is gone on with by the next start")
        message = "stopped by SIGTERM before everything was fetched"
        write_termination(reason="InitContainerFailed", message=message, path=arguments.termination_log)
        return EXIT_TERMINATED
    except Exception as error:
        _log.exception("unexpected failure")
        write_termination(reason="InitContainerFailed", message=f"{type(error).__name__}: {error}", path=arguments.termination_log)
        return 1
    _log.info(message)
    write_termination(reason="Fetched", message=message, digest=config.model.digest, path=arguments.termination_log)
    return 0


if __name__ == "__main__":
    sys.exit(main())

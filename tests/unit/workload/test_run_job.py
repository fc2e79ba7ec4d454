"""What a Job does first and last: adoption, commit, exit codes, termination message, scratch, SIGTERM."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import llmos
from llmos.artifacts import (
    KNOWLEDGE_ARTIFACT,
    KNOWLEDGE_CONFIG,
    KNOWLEDGE_FILE,
    FileLayer,
    Payload,
    Registry,
    RegistryAccess,
    Repository,
    digest_bytes,
)
from llmos.errors import ConfigError, DependencyNotReady, NotFoundError, PermanentError, TransientError
from llmos.workload import JobConfig, Reporter, Result, run, run_job
from tests.unit.artifacts.memory_registry import MemoryRegistry
from tests.unit.workload.test_workload_config import JOB, write

TARGET = Repository("10.244.0.1:5000", "llmos/demo/model/minilm")


@dataclass
class Pod:
    """One pod's files and its registry."""

    folder: Path
    memory: MemoryRegistry
    starts: int = 0

    def run(self, main: Any, **changes: Any) -> int:
        changes = {"report": None, "scratch": str(self.folder / "scratch"), **changes}
        config = write(self.folder / "config.yaml", JOB, changes)
        return run_job(main, ["--config", str(config), "--termination-log", str(self.folder / "termination")])

    def termination(self) -> dict[str, str]:
        return json.loads((self.folder / "termination").read_text())

    def registry(self) -> Registry:
        return Registry(RegistryAccess(plain_http=True), transport=self.memory.transport(), sleep=lambda _seconds: None)

    def work(self, config: JobConfig, _reporter: Reporter) -> Result:
        self.starts += 1
        source = config.scratch / "weights"
        source.write_bytes(b"weights")
        layers = [FileLayer(path="weights", source=source, media_type=KNOWLEDGE_FILE)]
        with self.registry() as registry:
            pushed = registry.push_payload(TARGET, layers, artifact_type=KNOWLEDGE_ARTIFACT, config_type=KNOWLEDGE_CONFIG, config={})
        return Result(payloads=[pushed.payload("weights")], message="7 bytes imported", tools={"torch": "2"}, measurements={"n": 7})


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    memory = MemoryRegistry()
    pod = Pod(tmp_path, memory)
    monkeypatch.setattr(run, "Registry", lambda _access: pod.registry())
    return pod


def test_a_job_commits_its_version_and_says_so(pod: Pod) -> None:
    assert pod.run(pod.work) == 0
    with pod.registry() as registry:
        version = registry.find_version(TARGET, JOB["inputsHash"])
    assert version is not None
    assert pod.termination() == {
        "reason": "Imported",
        "message": "7 bytes imported",
        "digest": version.digest,
        "inputsHash": JOB["inputsHash"],
    }
    assert version.provenance.tools == {"torch": "2", "llmos": llmos.__version__}
    assert version.provenance.parents == {"trainingJob": JOB["parents"]["trainingJob"]["digest"]}
    assert version.measurements == {"n": 7}


def test_a_version_that_exists_is_adopted_without_work(pod: Pod) -> None:
    pod.run(pod.work)
    first = pod.termination()
    assert pod.run(pod.work) == 0
    assert pod.starts == 1
    assert pod.termination() == first | {"message": "found in the registry; nothing had to be done"}


@pytest.mark.parametrize("part", ["manifests", "blobs"])
def test_a_version_of_which_a_part_was_lost_is_made_again_with_the_same_digest(pod: Pod, part: str) -> None:
    pod.run(pod.work)
    first = pod.termination()
    with pod.registry() as registry:
        version = registry.find_version(TARGET, JOB["inputsHash"])
        assert version is not None
        assert registry.has_payloads(TARGET, version)
    payload = version.provenance.payloads[0].digest
    if part == "manifests":
        pod.memory.manifests = {key: data for key, data in pod.memory.manifests.items() if key[1] != payload}
    else:
        del pod.memory.blobs[TARGET.path, digest_bytes(b"weights")]
    assert pod.run(pod.work) == 0
    assert pod.starts == 2
    assert pod.termination()["digest"] == first["digest"]
    with pod.registry() as registry:
        assert registry.has_payloads(TARGET, version)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("spec is wrong", reason="InvalidSpec"), 65),
        (PermanentError("must be a, is b", reason="ChecksumMismatch"), 65),
        (TransientError("index is away", reason="InvalidSource"), 75),
        (NotFoundError("no such version", reason="DigestNotFound"), 75),
        (DependencyNotReady("not yet", reason="DependencyNotReady"), 75),
    ],
)
def test_each_error_has_its_exit_code_and_its_reason(pod: Pod, error: Any, code: int) -> None:
    def fail(_config: JobConfig, _reporter: Reporter) -> Result:
        raise error

    assert pod.run(fail) == code
    assert pod.termination() == {"reason": error.reason, "message": error.message}


def test_a_bug_is_retried_and_named(pod: Pod, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_config: JobConfig, _reporter: Reporter) -> Result:
        raise KeyError("weights")

    assert pod.run(fail) == 1
    assert pod.termination() == {"reason": "JobFailed", "message": "KeyError: 'weights'"}
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "Traceback" in lines[-1]["exception"]


def test_a_wrong_configuration_ends_before_any_work(pod: Pod) -> None:
    assert pod.run(pod.work, colour="red") == 65
    assert pod.starts == 0
    assert pod.memory.requests == []
    assert "colour" in pod.termination()["message"]


def test_a_registry_that_is_away_is_retried_and_no_work_is_wasted(pod: Pod) -> None:
    pod.memory.failures = [503] * 100
    assert pod.run(pod.work) == 75
    assert pod.starts == 0
    assert pod.termination()["reason"] == "RegistryUnavailable"


def test_a_payload_that_was_never_pushed_cannot_be_committed(pod: Pod) -> None:
    def forget(_config: JobConfig, _reporter: Reporter) -> Result:
        return Result(payloads=[Payload("weights", "sha256:" + "9" * 64, 1, {})], message="")

    assert pod.run(forget) == 75
    assert pod.termination()["reason"] == "ChainBroken"


def test_scratch_is_empty_at_the_start_and_removed_at_the_end(pod: Pod) -> None:
    scratch = pod.folder / "scratch"
    scratch.mkdir()
    (scratch / "somebody-elses").touch()
    seen: list[Path] = []

    def look(config: JobConfig, _reporter: Reporter) -> Result:
        assert list(config.scratch.iterdir()) == []
        (config.scratch / "left-over").touch()
        seen.append(config.scratch)
        raise TransientError("again", reason="InvalidSource")

    assert pod.run(look) == pod.run(look) == 75
    assert seen[0] == seen[1] != scratch
    assert [path.name for path in scratch.iterdir()] == ["somebody-elses"]


def test_credentials_appear_neither_in_the_log_nor_in_the_termination_message(pod: Pod, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_config: JobConfig, _reporter: Reporter) -> Result:
        raise TransientError(
            "https://me:hunter2@index.test/simple answered 503, Authorization: Bearer abcdefgh12345", reason="InvalidSource"
        )

    pod.run(fail)
    assert "index.test/simple answered 503" in pod.termination()["message"]
    for text in (pod.termination()["message"], capsys.readouterr().err):
        assert "hunter2" not in text
        assert "abcdefgh12345" not in text


def test_sigterm_removes_scratch_and_is_retried(tmp_path: Path) -> None:
    """A process of its own: the signal is real."""
    config = write(tmp_path / "config.yaml", JOB, {"report": None, "scratch": str(tmp_path / "scratch")})
    program = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from llmos.artifacts import Registry
        from llmos.workload import run, run_job
        from tests.unit.artifacts.memory_registry import MemoryRegistry

        run.Registry = lambda access: Registry(access, transport=MemoryRegistry().transport())

        def main(config, reporter):
            (config.scratch / "half").touch()
            Path({str(tmp_path / "started")!r}).touch()
            try:
                time.sleep(60)
            except Exception:
                pass

        sys.exit(run_job(main, ["--config", {str(config)!r}, "--termination-log", {str(tmp_path / "termination")!r}]))
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL, cwd=Path(llmos.__file__).parents[1])
    for _ in range(200):
        if (tmp_path / "started").exists():
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=10) == 143
    assert list((tmp_path / "scratch").iterdir()) == []
    assert "SIGTERM" in json.loads((tmp_path / "termination").read_text())["message"]

"""The init container: what lies where afterwards, and what the pod says when it cannot."""

import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from llmos.artifacts import Registry
from llmos.errors import EXIT_PERMANENT, EXIT_RETRY
from llmos.knowledge import Snapshot
from llmos.runtime import fetch, snapshots
from llmos.runtime.assets import load_assets
from llmos.runtime.snapshots import fetch_snapshot, remove_snapshot
from llmos.workload import load_knowledge_config
from tests.unit.artifacts.cosign import new_key, pem_of, sign
from tests.unit.runtime.conftest import KNOWLEDGE_REPOSITORY, MODEL_REPOSITORY, Pod, preprocessing


def test_model_and_snapshot_lie_where_triton_and_the_sidecar_look(pod: Pod):
    knowledge = pod.push_knowledge()
    pod.configure(pod.push_model(), knowledge)
    assert pod.fetch() == 0
    repository = pod.paths.repository / "model"
    assert sorted(path.relative_to(repository).as_posix() for path in repository.rglob("*") if path.is_file()) == [
        "1/model.onnx",
        "1/model.onnx.data",
        "config.pbtxt",
    ]
    assets = load_assets(pod.paths.assets)
    assert (assets.task, assets.output, assets.maximum_tokens) == ("TextClassification", "logits", 16)
    with Snapshot.open(pod.folder / "knowledge" / knowledge.digest.removeprefix("sha256:")) as snapshot:
        assert snapshot.counts["entities"] == 8
    assert pod.termination()["reason"] == "Fetched"


def test_running_again_changes_nothing_and_half_written_folders_are_replaced(pod: Pod):
    pod.configure(pod.push_model(), pod.push_knowledge())
    (pod.paths.models / "repository.new" / "model").mkdir(parents=True)
    (pod.paths.models / "repository.new" / "model" / "junk").write_text("half")
    assert pod.fetch() == 0
    before = sorted(str(path) for path in pod.folder.rglob("*"))
    assert pod.fetch() == 0
    assert sorted(str(path) for path in pod.folder.rglob("*")) == before
    assert not list(pod.paths.models.rglob("junk"))


def test_an_embedding_model_has_no_labels(pod: Pod):
    pod.configure(pod.push_model(task="FeatureExtraction", labels=None))
    assert pod.fetch() == 0
    assert load_assets(pod.paths.assets).output == "embedding"


def test_a_missing_precision_is_named_with_those_that_exist(pod: Pod):
    pod.configure(pod.push_model(), precision="Int8")
    assert pod.fetch() == EXIT_PERMANENT
    assert pod.termination()["reason"] == "PrecisionMissing"
    assert "organ-system has no precision Int8, only Float32" in pod.termination()["message"]


@pytest.mark.parametrize(
    ("push", "reason", "words"),
    [
        ({"task": "MaskedLM"}, "TaskNotServed", "is for MaskedLM, which no service answers yet; FeatureExtraction and TextClassification"),
        ({"task": "FeatureExtraction"}, "TaskMismatch", "has the task FeatureExtraction, and its files are those of TextClassification"),
        ({"leave_out": "tokenizer.json"}, "InvalidSource", "lacks the file tokenizer.json"),
        (
            {"labels": [{"id": "a", "name": "A"}] * 2},
            "InvalidSource",
            "labels.json is unusable: it must hold at least one label, and each id once",
        ),
        ({"labels": [{"name": "A"}]}, "InvalidSource", "each label needs id and name"),
        ({"preprocessing_json": preprocessing(temperature=0)}, "InvalidSource", "temperature is 0; it must be a number from 0.05 to 20.0"),
        ({"preprocessing_json": preprocessing(temperature="1.5")}, "InvalidSource", "temperature is '1.5'; it must be a number"),
    ],
    ids=[
        "a task that is not served",
        "wrong task",
        "no tokenizer",
        "a label twice",
        "a label without id",
        "a temperature of zero",
        "a temperature as text",
    ],
)
def test_an_unusable_model_is_refused_by_name(pod: Pod, push, reason, words):
    pod.configure(pod.push_model(**push))
    assert pod.fetch() == EXIT_PERMANENT
    assert pod.termination()["reason"] == reason
    assert words in pod.termination()["message"]


def test_a_digest_that_is_not_there_is_retried(pod: Pod):
    model = pod.push_model()
    pod.configure(model)
    config = json.loads(pod.paths.config.read_text())
    config["model"]["digest"] = "sha256:" + "0" * 64
    pod.paths.config.write_text(json.dumps(config))
    assert pod.fetch() == EXIT_RETRY
    assert pod.termination()["reason"] == "DigestNotFound"


def test_a_model_given_as_knowledge_is_refused(pod: Pod):
    model = pod.push_model()
    pod.configure(model, model)
    text = pod.paths.active.read_text().replace("knowledgebase/hpo", "model/organ-system")
    pod.paths.active.write_text(text)
    assert pod.fetch() == EXIT_PERMANENT
    assert "is a version of a Model, not of a KnowledgeBase" in pod.termination()["message"]


def test_a_verified_snapshot_opens_without_the_registry(pod: Pod):
    pod.configure(pod.push_model(), pod.push_knowledge())
    assert pod.fetch() == 0
    before = len(pod.memory.requests)
    service = pod.service()
    with service.knowledge._open_one(load_first(pod)).snapshot as snapshot:
        assert snapshot.name("HP:0001250") == "Seizure"
    assert len(pod.memory.requests) == before


def test_sigterm_ends_the_init_container_at_once(pod: Pod):
    """A process of its own: the signal is real. As PID 1 the kernel would drop it, and the pod would wait its whole grace period."""
    pod.configure(pod.push_model())
    program = textwrap.dedent(
        f"""
        import sys, time
        from pathlib import Path
        from llmos.runtime import fetch

        class Waiting:
            def __init__(self, _access): pass
            def __enter__(self): return self
            def __exit__(self, *_): Path({str(pod.folder / "closed")!r}).touch()
            def get_version(self, repository, digest):
                Path({str(pod.folder / "started")!r}).touch()
                try:
                    time.sleep(60)
                except Exception:
                    pass

        fetch.Registry = Waiting
        sys.exit(fetch.main(["--config", {str(pod.paths.config)!r}, "--termination-log", {str(pod.folder / "termination")!r}]))
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    for _ in range(400):
        if (pod.folder / "started").exists():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 143
    assert (pod.folder / "closed").exists()
    assert "SIGTERM" in pod.termination()["message"]


def knowledge_folder(pod: Pod) -> Path:
    return pod.paths.snapshot(load_first(pod).digest)


def open_first(pod: Pod) -> Snapshot:
    return fetch_snapshot(pod.registry(), load_first(pod), pod.paths)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: folder.with_name(f"{folder.name}.verified").write_text(""),
        lambda folder: (folder / "facts.sqlite").unlink(),
        lambda folder: [folder.with_name(f"{folder.name}.verified").unlink(), (folder / "facts.sqlite").unlink()],
        lambda folder: [folder.with_name(f"{folder.name}.verified").unlink(), (folder / ".llmos-manifest.json").unlink()],
        lambda folder: (folder / "names.marisa").write_bytes(b"half"),
    ],
    ids=["a mark cut off", "a file lost", "half removed, with its record", "half removed, without its record", "a file damaged"],
)
def test_what_a_killed_pod_left_of_a_snapshot_is_brought_anew(pod: Pod, damage):
    pod.configure(pod.push_model(), pod.push_knowledge())
    assert pod.fetch() == 0
    damage(knowledge_folder(pod))
    for _ in range(2):
        with open_first(pod) as snapshot:
            assert snapshot.name("HP:0001250") == "Seizure"
    before = len(pod.memory.requests)
    open_first(pod).close()
    assert len(pod.memory.requests) == before, "it is verified again, and the registry not asked any more"


def test_a_mark_is_written_once_and_whole(pod: Pod):
    pod.configure(pod.push_model(), pod.push_knowledge())
    assert pod.fetch() == 0
    folder = knowledge_folder(pod)
    mark = folder.with_name(f"{folder.name}.verified")
    before = mark.stat().st_mtime_ns
    assert pod.fetch() == 0
    assert mark.stat().st_mtime_ns == before
    assert [path.name for path in folder.parent.iterdir() if path.name.endswith(".new")] == []


def test_a_removal_that_was_killed_half_way_leaves_nothing_that_is_believed(pod: Pod, monkeypatch: pytest.MonkeyPatch):
    pod.configure(pod.push_model(), pod.push_knowledge())
    assert pod.fetch() == 0
    folder = knowledge_folder(pod)

    def killed(path, **_):
        if Path(path).exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(snapshots.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_snapshot(load_first(pod).digest, pod.paths)
    assert not folder.exists()
    open_first(pod).close()
    remove_snapshot(load_first(pod).digest, pod.paths)
    assert list(folder.parent.iterdir()) == []


def load_first(pod: Pod):
    return load_knowledge_config(pod.paths.active).knowledge[0]


def test_where_signatures_are_asked_for_nothing_unsigned_is_fetched(pod: Pod, monkeypatch: pytest.MonkeyPatch):
    transport = pod.memory.transport()
    monkeypatch.setattr(fetch, "Registry", lambda access: Registry(access, transport=transport, sleep=lambda _seconds: None))
    model, knowledge, key = pod.push_model(), pod.push_knowledge(), new_key()
    pod.configure(model, knowledge)
    config = json.loads(pod.paths.config.read_text())
    pod.paths.config.write_text(json.dumps({**config, "artifacts": {"plainHTTP": True, "publicKey": pem_of(key)}}))
    assert pod.fetch() == EXIT_RETRY
    assert pod.termination()["reason"] == "SignatureMissing"
    assert not pod.paths.models.exists()
    sign(pod.memory, MODEL_REPOSITORY, model.digest, key)
    assert pod.fetch() == EXIT_RETRY
    assert f"{KNOWLEDGE_REPOSITORY}@{knowledge.digest} is not signed" in pod.termination()["message"]
    sign(pod.memory, KNOWLEDGE_REPOSITORY, knowledge.digest, key)
    assert pod.fetch() == 0

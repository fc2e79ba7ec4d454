"""What a cluster uses: whatever any object or child names."""

import json
from typing import Any

import pytest

from llmos.artifacts import digest_bytes
from llmos.retention import mark


def digest(text: str) -> str:
    return digest_bytes(text.encode())


def document(kind: str, name: str = "x", *, labels: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    status = {"conditions": [{"type": "Ready", "status": "True"}], **fields.pop("status", {})}
    return {"kind": kind, "metadata": {"namespace": "demo", "name": name, "labels": labels or {}}, "status": status, **fields}


@pytest.mark.parametrize(
    "user",
    [
        document("Model", status={"version": {"digest": digest("a")}}),
        document("Model", spec={"version": {"pinned": digest("a")}}),
        document("Model", spec={"source": {"trainingJob": {"name": "t", "digest": digest("a")}}}),
        document("KnowledgeBase", status={"snapshot": {"digest": digest("a")}}),
        document("TrainingJob", status={"resolved": [{"role": "base", "digest": digest("a")}]}),
        document("InferenceService", status={"selection": {"name": "m", "digest": digest("a")}}),
        document("InferenceService", spec={"knowledge": [{"name": "k", "digest": digest("a")}]}),
        document("Deployment", spec={"template": {"metadata": {"annotations": {"llmos.dev/config": json.dumps({"digest": digest("a")})}}}}),
        document("ConfigMap", data={"active.yaml": json.dumps({"knowledge": [{"digest": digest("a")}]})}),
        document("Job", metadata={"namespace": "demo", "name": "j", "annotations": {"llmos.dev/inputs-hash": digest("a")}}),
    ],
)
def test_whatever_names_a_digest_uses_it(user: dict[str, Any]) -> None:
    assert mark([user], installation="a/b", keep=0).digests == {digest("a")}


def test_of_the_versions_a_model_remembers_as_many_are_used_as_are_kept() -> None:
    versions = [{"digest": digest(str(number))} for number in range(5)]
    found = mark([document("Model", status={"versions": versions})], installation="a/b", keep=2)
    assert found.digests == {digest("0"), digest("1")}


def test_a_repository_is_busy_while_a_job_of_its_object_runs() -> None:
    owned = {"namespace": "demo", "name": "j", "ownerReferences": [{"kind": "Model", "name": "minilm"}]}
    running = {"kind": "Job", "metadata": owned, "status": {}}
    done = {**running, "status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    assert mark([running], installation="a/b", keep=0).busy == {"demo/model/minilm"}
    assert mark([done], installation="a/b", keep=0).busy == frozenset()


def test_an_object_nobody_has_looked_at_is_named() -> None:
    unseen = {"kind": "Model", "metadata": {"namespace": "demo", "name": "young"}}
    assert mark([unseen], installation="a/b", keep=0).unseen == ("Model demo/young",)


def test_what_another_installation_names_is_used_and_its_repositories_are_not_ours() -> None:
    theirs = document("Model", "theirs", labels={"llmos.dev/installation": "other.one"}, status={"version": {"digest": digest("a")}})
    ours = document("Model", "ours", labels={"llmos.dev/installation": "a.b"})
    found = mark([theirs, ours, document("Model", "anyones")], installation="a/b", keep=0)
    assert found.repositories == {"demo/model/ours", "demo/model/anyones"}
    assert digest("a") in found.digests

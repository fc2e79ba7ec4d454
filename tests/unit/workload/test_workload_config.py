"""The mounted configuration: strict, and true to its inputs hash."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from llmos.artifacts import Repository, inputs_hash
from llmos.errors import ConfigError
from llmos.workload import load_inference_config, load_job_config, load_knowledge_config

DIGEST = "sha256:" + "a" * 64
SPEC = {"task": "TextClassification", "source": {"trainingJob": {}}}
JOB: dict[str, Any] = {
    "apiVersion": "llmos.dev/workload-v1",
    "kind": "ModelImport",
    "object": {"kind": "Model", "namespace": "demo", "name": "minilm", "uid": "u-1"},
    "inputsHash": inputs_hash(kind="Model", spec=SPEC, parents={"trainingJob": DIGEST}),
    "spec": SPEC,
    "parents": {"trainingJob": {"repository": "10.244.0.1:5000/llmos/demo/trainingjob/organ-system", "digest": DIGEST}},
    "target": {"repository": "10.244.0.1:5000/llmos/demo/model/minilm"},
    "artifacts": {"plainHTTP": True, "caFile": None, "credentialsFile": None},
    "report": {
        "url": "https://llmos-operator.llmos-system.svc:8443/v1/reports",
        "caBundle": "PEM",
        "tokenFile": "/var/run/llmos/report/token",
    },
    "scratch": "/scratch",
}
INFERENCE: dict[str, Any] = {
    "apiVersion": "llmos.dev/workload-v1",
    "kind": "Inference",
    "object": {"kind": "InferenceService", "namespace": "demo", "name": "phenotype", "uid": "u-2"},
    "model": {"name": "organ-system", "repository": "host/llmos/demo/model/organ-system", "digest": DIGEST, "precision": "Float32"},
    "grounding": {"maximumFacts": 20},
    "limits": {"maximumTextCharacters": 4096, "timeoutSeconds": 10},
    "artifacts": {"plainHTTP": True},
    "report": None,
    "scratch": "/scratch",
}
KNOWLEDGE: dict[str, Any] = {"knowledge": [{"name": "hpo", "repository": "host/llmos/demo/knowledgebase/hpo", "digest": DIGEST}]}


def write(path: Path, document: Any, changes: dict[str, Any] | None = None) -> Path:
    """Write a document with changes, each under its dotted path; the value `...` removes the field."""
    document = deepcopy(document)
    for dotted, value in (changes or {}).items():
        *parents, last = dotted.split(".")
        part = document
        for name in parents:
            part = part[int(name) if isinstance(part, list) else name]
        if value is ...:
            del part[last]
        else:
            part[last] = value
    path.write_text(json.dumps(document))
    return path


def test_a_jobs_configuration_is_read(tmp_path: Path) -> None:
    config = load_job_config(write(tmp_path / "c", JOB))
    assert config.object.name == "minilm"
    assert config.parents["trainingJob"].repository == Repository("10.244.0.1:5000", "llmos/demo/trainingjob/organ-system")
    assert config.parent_digests == {"trainingJob": DIGEST}
    assert config.artifacts.access.plain_http
    assert config.report is not None
    assert config.scratch == Path("/scratch")


def test_reports_are_optional(tmp_path: Path) -> None:
    assert load_job_config(write(tmp_path / "c", JOB, {"report": None})).report is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "field colour is unknown"),
        ({"object.colour": "red"}, r"field object\.colour is unknown"),
        ({"artifacts.plain_http": True}, r"field artifacts\.plain_http is unknown"),
        ({"inputsHash": ...}, "field inputsHash is missing"),
        ({"apiVersion": "llmos.dev/workload-v2"}, "field apiVersion: .*workload-v1.*, found 'llmos.dev/workload-v2'"),
        ({"kind": "Inference"}, "field kind"),
        ({"inputsHash": "latest"}, "field inputsHash: must be 'sha256:'"),
        ({"target.repository": "http://host/a"}, r"field target\.repository: .*is not a"),
        ({"parents.trainingJob.digest": "latest"}, r"field parents\.trainingJob\.digest"),
        ({"report.url": "http://plain"}, r"field report\.url"),
        ({"spec.task": "Other"}, "inputsHash is .*, and its spec and parents have"),
        ({"parents.trainingJob.digest": "sha256:" + "b" * 64}, "inputsHash is"),
        ({"object.kind": "TrainingJob"}, "is work of a Model"),
        ({"spec.rate": 0.1}, "float"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_by_field(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_job_config(write(tmp_path / "c", JOB, changes))
    assert caught.value.reason == "InvalidSpec"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("character", ["\u007f", "\u0085", "\u0092", "\u2028", "\ufeff", "\U0001f600"])
def test_text_arrives_as_the_user_wrote_it(tmp_path: Path, character: str) -> None:
    """The operator writes JSON without escapes; YAML refuses some of these characters and folds others."""
    spec = {**SPEC, "license": f"don{character}t"}
    hashed = inputs_hash(kind="Model", spec=spec, parents={"trainingJob": DIGEST})
    path = tmp_path / "c"
    path.write_text(json.dumps({**JOB, "spec": spec, "inputsHash": hashed}, ensure_ascii=False))
    assert load_job_config(path).spec == spec


def test_a_configuration_may_be_yaml(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("knowledge: []  # none\n")
    assert load_knowledge_config(tmp_path / "c").knowledge == ()


@pytest.mark.parametrize("content", ["", "[]", "a: [", "just text", "\x00"])
def test_a_file_that_is_no_document_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "c").write_text(content)
    with pytest.raises(ConfigError):
        load_job_config(tmp_path / "c")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_job_config(tmp_path / "absent")


def test_an_inference_pods_configuration_is_read(tmp_path: Path) -> None:
    config = load_inference_config(write(tmp_path / "c", INFERENCE))
    assert (config.model.precision, config.grounding.maximum_facts, config.limits.timeout_seconds) == ("Float32", 20, 10)
    with pytest.raises(ConfigError, match=r"limits\.timeoutSeconds"):
        load_inference_config(write(tmp_path / "c", INFERENCE, {"limits.timeoutSeconds": 0}))


def test_sparql_is_absent_or_bounded(tmp_path: Path) -> None:
    assert load_inference_config(write(tmp_path / "c", INFERENCE)).sparql is None
    sparql = {
        "timeoutSeconds": 30,
        "maximumRows": 10,
        "workers": 2,
        "prefixes": [{"prefix": "HP", "iri": "http://purl.obolibrary.org/obo/HP_"}],
    }
    config = load_inference_config(write(tmp_path / "c", {**INFERENCE, "sparql": sparql}))
    assert config.sparql is not None
    assert config.sparql.prefix_map == {"HP": "http://purl.obolibrary.org/obo/HP_"}
    assert config.longest_request_s == 30
    for field, value in (("timeoutSeconds", 61), ("maximumRows", 0), ("workers", 9), ("prefixes", [{"prefix": "HP", "iri": "<no>"}])):
        with pytest.raises(ConfigError, match=rf"sparql\.{field}"):
            load_inference_config(write(tmp_path / "c", {**INFERENCE, "sparql": {**sparql, field: value}}))


def test_partitions_are_read_sorted(tmp_path: Path) -> None:
    item = {**KNOWLEDGE["knowledge"][0], "partitions": ["ward", "staff", "ward"]}
    assert load_knowledge_config(write(tmp_path / "c", {"knowledge": [item]})).knowledge[0].partitions == ("staff", "ward")


def test_active_knowledge_is_read_and_may_be_empty(tmp_path: Path) -> None:
    assert load_knowledge_config(write(tmp_path / "c", KNOWLEDGE)).knowledge[0].name == "hpo"
    assert load_knowledge_config(write(tmp_path / "c", {"knowledge": []})).knowledge == ()
    with pytest.raises(ConfigError, match="twice"):
        load_knowledge_config(write(tmp_path / "c", {"knowledge": KNOWLEDGE["knowledge"] * 2}))

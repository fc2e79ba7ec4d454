"""kubectl and Helm as programs: what is handed to them and what becomes of what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmos.errors import ConfigError, NotFoundError, TransientError
from llmos.local.helm import Helm, HelmError
from llmos.local.kubectl import Kubectl, KubectlError, poll_until


def program(folder: Path, body: str) -> Path:
    """A program that behaves as told."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_kubectl_gets_the_kubeconfig_by_environment_and_the_namespace_as_a_flag(tmp_path: Path) -> None:
    client = Kubectl(Path("/a/config"), "demo", program(tmp_path, 'echo "$KUBECONFIG $*"'))
    assert client.run("get", "pods") == "/a/config --namespace=demo get pods\n"
    assert client.within("other").run("version") == "/a/config --namespace=other version\n"


def test_the_local_cluster_is_asked_directly_and_anothers_as_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    show = program(tmp_path, 'echo "<$NO_PROXY>"')
    assert "10.244.0.1" in Kubectl(Path("/c"), program=show).within("demo").run("version")
    assert "10.244.0.1" in Helm(Path("/c"), show).run("version")
    assert Kubectl(Path("/c"), program=show, is_local=False).within("demo").run("version") == "<>\n"
    assert Helm(Path("/c"), show, is_local=False).run("version") == "<>\n"


def test_documents_are_applied_as_one_list_on_standard_input(tmp_path: Path) -> None:
    client = Kubectl(Path("/c"), program=program(tmp_path, "cat"))
    sent = json.loads(client.apply([{"kind": "A"}, {"kind": "B"}]))
    assert (sent["kind"], [item["kind"] for item in sent["items"]]) == ("List", ["A", "B"])


def test_a_missing_object_is_none(tmp_path: Path) -> None:
    assert Kubectl(Path("/c"), program=program(tmp_path, "true")).get("pod", "x") is None


def test_kubectls_own_words_are_the_message(tmp_path: Path) -> None:
    refused = Kubectl(Path("/c"), program=program(tmp_path, "echo 'error: spec.name: Too long' >&2; exit 1"))
    with pytest.raises(KubectlError, match=r"^spec\.name: Too long$"):
        refused.apply({"kind": "A"})
    absent = Kubectl(Path("/c"), program=program(tmp_path, "echo 'Error from server (NotFound): namespaces \"x\" not found' >&2; exit 1"))
    with pytest.raises(NotFoundError, match='namespaces "x" not found'):
        absent.run("get", "pods")


def test_a_program_that_is_not_there_is_said_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match="/no/kubectl is missing; run `make bootstrap`"):
        Kubectl(Path("/c"), program=Path("/no/kubectl")).run("version")


def test_helm_gets_values_on_standard_input_and_waits(tmp_path: Path) -> None:
    helm = Helm(Path("/c"), program(tmp_path, 'echo "$*"; cat'))
    arguments, values = helm.upgrade("llmos", Path("/chart"), namespace="llmos-system", values={"a": 1}).splitlines()
    assert arguments == "upgrade --install llmos /chart --namespace=llmos-system --values=- --wait --timeout=180s"
    assert json.loads(values) == {"a": 1}


def test_helms_own_words_are_the_message(tmp_path: Path) -> None:
    with pytest.raises(HelmError, match=r"^values don't meet the schema$"):
        Helm(Path("/c"), program(tmp_path, 'echo "Error: values don\'t meet the schema" >&2; exit 1')).run("lint")


def test_polling_returns_what_it_found_or_says_what_did_not_happen() -> None:
    answers = iter([None, None, "found"])
    assert poll_until(lambda: next(answers), what="it", timeout_s=5, interval_s=0) == "found"
    with pytest.raises(TransientError, match="the pod did not happen within 0 s"):
        poll_until(lambda: None, what="the pod", timeout_s=0, interval_s=0)

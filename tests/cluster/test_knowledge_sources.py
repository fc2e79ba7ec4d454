"""A KnowledgeBase from a ConfigMap, a Git server and an address, each in its own source, on a real cluster."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.installation import Installation
from tests.cluster.world import World

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def ontology(prefix: str, *names: str) -> str:
    """A small OBO file: a root and terms below it."""
    terms = [
        f"[Term]\nid: {prefix}:{number}\nname: {name}\n" + (f"is_a: {prefix}:0\n" if number else "") for number, name in enumerate(names)
    ]
    return "format-version: 1.2\ndata-version: releases/2026-01-01\n\n" + "\n".join(terms)


WORDS = ontology("W", "clinic word", "sick note", "day ward")
TERMS = ontology("G", "device term", "infusion pump", "ventilator")
PAGE = ontology("H", "drug term", "aspirin", "ibuprofen")

SERVER = """
import base64, http.server, io, os, sys, threading
from dulwich.repo import MemoryRepo
from dulwich.objects import Blob, Commit, Tree
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain
from wsgiref.simple_server import WSGIServer, WSGIRequestHandler, make_server
terms, page = (base64.b64decode(word) for word in sys.argv[1:])
repo = MemoryRepo.init_bare([], {})
blob = Blob.from_string(terms)
tree = Tree()
tree.add(b"terms.obo", 0o100644, blob.id)
commit = Commit()
commit.tree, commit.author, commit.committer, commit.message = tree.id, b"a <a@b>", b"a <a@b>", b"terms"
commit.author_time = commit.commit_time = commit.author_timezone = commit.commit_timezone = 0
for item in (blob, tree, commit):
    repo.object_store.add_object(item)
repo.refs[b"refs/heads/main"] = commit.id
repo.refs.set_symbolic_ref(b"HEAD", b"refs/heads/main")
git = make_wsgi_chain(DictBackend({"/terms.git": repo}))
def application(environ, start):
    if environ["PATH_INFO"] != "/page.obo":
        return git(environ, start)
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(page)))])
    return [page]
print("commit", commit.id.decode(), flush=True)
make_server("", 8000, application).serve_forever()
"""


def server_pod(image: str) -> dict[str, Any]:
    encoded = [base64.b64encode(text.encode()).decode() for text in (TERMS, PAGE)]
    container = {
        "name": "server",
        "image": image,
        "command": ["python", "-c", SERVER, *encoded],
        "readinessProbe": {"httpGet": {"path": "/page.obo", "port": 8000}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "terminationGracePeriodSeconds": 1,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sources", "labels": {"app": "sources"}}, "spec": spec}


@pytest.fixture
def address(world: World, installation: Installation) -> Iterator[str]:
    """A server of Git and of a page, and the ConfigMap beside it."""
    world.apply(server_pod(installation.images["sidecar"]))
    world.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"words.obo": WORDS, "other": "unread"}})
    pod = world.until(
        lambda: world.get("pod", "sources") or {},
        lambda found: any(item["type"] == "Ready" and item["status"] == "True" for item in found.get("status", {}).get("conditions", [])),
        timeout_s=120,
        what="the server answers",
    )
    yield f"http://{pod['status']['podIP']}:8000"
    world.run("delete", "pod", "sources", "--wait=false")


def test_a_configmap_a_repository_and_an_address_become_one_snapshot(world: World, address: str) -> None:
    page = {"url": f"{address}/page.obo", "sha256": hashlib.sha256(PAGE.encode()).hexdigest(), "path": "page.obo"}
    sources = [
        {"name": "words", "configMap": {"name": "words"}, "files": [{"path": "words.obo", "format": "OBO"}]},
        {"name": "terms", "git": {"repository": f"{address}/terms.git", "ref": "main"}, "files": [{"path": "terms.obo", "format": "OBO"}]},
        {"name": "page", "http": {"files": [page]}, "files": [{"path": "page.obo", "format": "OBO"}]},
    ]
    world.apply({"apiVersion": "llmos.dev/v1alpha1", "kind": "KnowledgeBase", "metadata": {"name": "mixed"}, "spec": {"sources": sources}})
    snapshot = world.until_ready("KnowledgeBase", "mixed", timeout_s=240)["status"]["snapshot"]
    commit = world.run("logs", "pod/sources").split("commit ")[1].split()[0]
    assert (snapshot["entities"], snapshot["facts"]) == (9, 6)
    assert [source["name"] for source in snapshot["sources"]] == ["words", "terms", "page"]
    resolved = {source["name"]: source.get("resolved", "") for source in snapshot["sources"]}
    assert resolved["words"].startswith("words@sha256:")
    assert resolved["terms"] == f"{address}/terms.git@{commit}"
    assert resolved["page"] == ""


def test_a_configmap_that_is_not_there_is_named_and_waited_for(world: World) -> None:
    source = {"name": "later", "configMap": {"name": "later"}, "files": [{"path": "words.obo", "format": "OBO"}]}
    world.apply({"apiVersion": "llmos.dev/v1alpha1", "kind": "KnowledgeBase", "metadata": {"name": "waits"}, "spec": {"sources": [source]}})
    condition = world.until_reason("KnowledgeBase", "waits", "MountFailed", timeout_s=120)
    assert 'configmap "later" not found' in condition["message"]
    world.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}, "data": {"words.obo": WORDS}})
    assert world.until_ready("KnowledgeBase", "waits", timeout_s=240)["status"]["snapshot"]["entities"] == 3

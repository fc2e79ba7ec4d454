"""Artifacts of a registry as sources: ours, other people's, and those that must not be believed."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from llmos.artifacts import digest_bytes
from llmos.errors import ConfigError, LlmosError, NotFoundError, PermanentError, TransientError
from llmos.models.folder import is_model_file
from llmos.workload import SourceSecret, fetch_oci_artifact
from llmos.workload.oci_artifact import OciReference
from tests.unit.artifacts.memory_registry import MemoryRegistry

NAME = "models/minilm"
RAW = "application/vnd.cncf.model.weight.v1.raw"
TITLE = "org.opencontainers.image.title"
FILEPATH = "org.cncf.model.filepath"
FILES = {"config.json": b"{}", "model.safetensors": b"weights" * 1000}


@dataclass
class Shelf:
    """A repository of one registry that anybody may have filled."""

    memory: MemoryRegistry = field(default_factory=lambda: MemoryRegistry(host="registry.test"))

    def push(self, tag: str, *layers: dict[str, Any], **changes: Any) -> str:
        """Push layers of `{content, media_type, annotations}` under a tag; return the manifest's digest."""
        described = []
        for layer in layers:
            content = layer["content"]
            self.memory.blobs[NAME, digest_bytes(content)] = content
            described.append(
                {
                    "mediaType": layer.get("media_type", RAW),
                    "digest": digest_bytes(content),
                    "size": len(content),
                    "annotations": layer.get("annotations", {}),
                }
            )
        config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_bytes(b"{}"), "size": 2}
        document = {"schemaVersion": 2, "config": config, "layers": described, **changes}
        return self.put(tag, document)

    def put(self, tag: str, document: dict[str, Any]) -> str:
        data = json.dumps(document).encode()
        digest = digest_bytes(data)
        self.memory.manifests[NAME, tag] = self.memory.manifests[NAME, digest] = data
        return digest

    def fetch(self, into: Path, reference: str = "", **options: Any) -> str:
        return fetch_oci_artifact(
            reference or f"registry.test/{NAME}:v1",
            into,
            wanted=is_model_file,
            transport=self.memory.transport(),
            sleep=lambda _seconds: None,
            **options,
        )


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def named(key: str = FILEPATH, **changes: Any) -> list[dict[str, Any]]:
    return [{"content": content, "annotations": {key: name}, **changes} for name, content in FILES.items()]


def tar_of(*members: tuple[str, bytes] | tarfile.TarInfo, mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size, info.mode, info.uid = len(member[1]), 0o4777, 7
            archive.addfile(info, io.BytesIO(member[1]))
    return stream.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def found_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("layers", [named(), named(TITLE, media_type="application/octet-stream")], ids=["ModelPack", "ORAS"])
def test_layers_with_names_become_files(shelf: Shelf, tmp_path: Path, layers: list[dict[str, Any]]) -> None:
    digest = shelf.push("v1", *layers)
    assert shelf.fetch(tmp_path / "model") == f"registry.test/{NAME}@{digest}"
    assert found_in(tmp_path / "model") == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_tag_is_asked_for_once_and_everything_else_by_digest(shelf: Shelf, tmp_path: Path) -> None:
    shelf.push("v1", *named())
    shelf.fetch(tmp_path / "model")
    asked = [path.rpartition("/")[2] for _, path in shelf.memory.requests]
    assert [reference for reference in asked if not reference.startswith("sha256:")] == ["v1"]


def test_a_digest_decides_over_a_tag(shelf: Shelf, tmp_path: Path) -> None:
    old = shelf.push("v1", *named())
    shelf.push("v1", {"content": b"[]", "annotations": {FILEPATH: "config.json"}})
    assert shelf.fetch(tmp_path / "model", f"registry.test/{NAME}:v1@{old}").endswith(old)
    assert found_in(tmp_path / "model") == FILES


def test_what_is_no_file_of_a_model_is_not_even_fetched(shelf: Shelf, tmp_path: Path) -> None:
    others = [
        {"content": b"pickle", "annotations": {FILEPATH: "pytorch_model.bin"}},
        {"content": b"import os", "annotations": {FILEPATH: "modeling.json"}, "media_type": "application/vnd.cncf.model.code.v1.raw"},
        {"content": b"rows", "annotations": {FILEPATH: "rows.json"}, "media_type": "application/vnd.cncf.model.dataset.v1.tar"},
        {"content": b"no name"},
    ]
    shelf.push("v1", *named(), *others)
    shelf.fetch(tmp_path / "model")
    assert found_in(tmp_path / "model") == FILES
    fetched = {path.rpartition("/")[2] for _, path in shelf.memory.requests}
    assert not fetched & {digest_bytes(layer["content"]) for layer in others}


@pytest.mark.parametrize(
    ("mode", "media_type", "annotations"),
    [
        ("w", "application/vnd.cncf.model.weight.v1.tar", {}),
        ("w:gz", "application/vnd.cncf.model.weight.v1.tar+gzip", {}),
        ("w:gz", "application/vnd.oci.image.layer.v1.tar+gzip", {"io.deis.oras.content.unpack": "true", TITLE: "model"}),
    ],
)
def test_archives_are_unpacked_as_plain_files(
    shelf: Shelf, tmp_path: Path, mode: str, media_type: str, annotations: dict[str, str]
) -> None:
    content = tar_of(*[(f"./{name}", data) for name, data in FILES.items()], ("./run.py", b"import os"), mode=mode)
    shelf.push("v1", {"content": content, "media_type": media_type, "annotations": annotations})
    shelf.fetch(tmp_path / "model")
    assert found_in(tmp_path / "model") == FILES
    assert (tmp_path / "model" / "config.json").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("../config.json", b"{}"), "would leave its directory"),
        (("/etc/config.json", b"{}"), "would leave its directory"),
        (("a/../../config.json", b"{}"), "would leave its directory"),
        (("a\\config.json", b"{}"), "would leave its directory"),
        (link("config.json", "/etc/passwd"), "a link or a device"),
        (link("notes", "model.safetensors", tarfile.LNKTYPE), "a link or a device"),
        (link("fifo", "", tarfile.FIFOTYPE), "a link or a device"),
        (("model.safetensors", b"again"), "twice"),
        (("big.txt", b"x" * 9000), "more than 9000 bytes"),
    ],
)
def test_an_archive_that_must_not_be_believed_is_refused(shelf: Shelf, tmp_path: Path, member: Any, message: str) -> None:
    content = tar_of(("model.safetensors", FILES["model.safetensors"]), member)
    shelf.push("v1", {"content": content, "media_type": "application/vnd.cncf.model.weight.v1.tar"})
    with pytest.raises(PermanentError, match=message) as caught:
        shelf.fetch(tmp_path / "model", maximum_bytes=9000)
    assert caught.value.reason == "InvalidSource"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["tar", "tar+gzip"])
def test_an_archive_that_is_cut_is_refused(shelf: Shelf, tmp_path: Path, kind: str) -> None:
    content = tar_of(("model.safetensors", FILES["model.safetensors"]), mode="w:gz" if "gzip" in kind else "w")
    shelf.push("v1", {"content": content[: len(content) // 4], "media_type": f"application/vnd.cncf.model.weight.v1.{kind}"})
    with pytest.raises(PermanentError, match="is not a whole tar archive"):
        shelf.fetch(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"content": b"a", "annotations": {FILEPATH: "../config.json"}}], "must not contain empty"),
        ([{"content": b"a", "annotations": {FILEPATH: "/config.json"}}], "must be relative"),
        ([*named(), {"content": b"a", "annotations": {FILEPATH: "config.json"}}], "appears twice"),
        ([{"content": b"a", "annotations": {FILEPATH: "model.gguf"}}], r"holds no file of a model; it has model\.gguf"),
        ([{"content": b"a"}], "holds no file of a model; it has no layer with a file name"),
        ([{"content": b"a", "media_type": "application/vnd.cncf.model.weight.v1.tar+zstd"}], r"is tar\+zstd, which is not unpacked here"),
    ],
)
def test_an_artifact_that_is_no_model_is_refused(shelf: Shelf, tmp_path: Path, layers: list[dict[str, Any]], message: str) -> None:
    shelf.push("v1", *layers)
    with pytest.raises(PermanentError, match=message) as caught:
        shelf.fetch(tmp_path / "model")
    assert caught.value.reason == "InvalidSource"
    assert list(tmp_path.iterdir()) == []


def test_a_docker_image_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.push("v1", *named(), mediaType="application/vnd.docker.distribution.manifest.v2+json")
    with pytest.raises(PermanentError, match="cannot be used: the manifest has mediaType"):
        shelf.fetch(tmp_path / "model")


def test_an_index_with_one_entry_is_that_entry_and_with_two_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    digest = shelf.push("v1", *named())
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{"digest": digest}]}
    shelf.put("one", index)
    shelf.put("two", {**index, "manifests": [{"digest": digest}] * 2})
    assert shelf.fetch(tmp_path / "model", f"registry.test/{NAME}:one").endswith(digest)
    with pytest.raises(PermanentError, match="is an index of 2 artifacts; name one by its digest"):
        shelf.fetch(tmp_path / "other", f"registry.test/{NAME}:two")


@pytest.mark.parametrize(
    ("failures", "error", "message"),
    [
        ([404], NotFoundError, "is not in the registry; push it, or correct oci.reference"),
        ([401] * 6, TransientError, "answered 401 .*check the credentials"),
        ([403] * 6, TransientError, "answered 403"),
        ([503] * 6, TransientError, "answered 503"),
        ([0] * 6, TransientError, "cannot be reached"),
        ([418], PermanentError, "answered 418"),
    ],
)
def test_each_refusal_says_whether_trying_again_can_help(
    shelf: Shelf, tmp_path: Path, failures: list[int], error: type[LlmosError], message: str
) -> None:
    shelf.push("v1", *named())
    shelf.memory.failures = failures
    with pytest.raises(error, match=message) as caught:
        shelf.fetch(tmp_path / "model")
    assert (type(caught.value), caught.value.reason) == (error, "InvalidSource")


def test_a_download_that_breaks_off_goes_on_where_it_stopped(shelf: Shelf, tmp_path: Path) -> None:
    shelf.push("v1", *named())
    shelf.memory.cut_after = 1
    shelf.fetch(tmp_path / "model")
    assert found_in(tmp_path / "model") == FILES


def test_an_artifact_that_cannot_fit_is_refused_before_it_is_fetched(shelf: Shelf, tmp_path: Path) -> None:
    shelf.push("v1", *named())
    document = json.loads(shelf.memory.manifests[NAME, "v1"])
    document["layers"][1]["size"] = 1 << 60
    shelf.put("v1", document)
    with pytest.raises(ConfigError, match=r"scratch has .* MB left; raise spec\.workload\.scratch\.sizeLimit"):
        shelf.fetch(tmp_path / "model")


def test_a_blob_that_is_not_what_its_digest_says_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.push("v1", *named())
    shelf.memory.blobs[NAME, digest_bytes(FILES["model.safetensors"])] = b"WEIGHTS" * 1000
    with pytest.raises(PermanentError, match=r"model\.safetensors of registry\.test/models/minilm must be sha256") as caught:
        shelf.fetch(tmp_path / "model")
    assert caught.value.reason == "ChecksumMismatch"
    assert list(tmp_path.iterdir()) != [tmp_path / "model"]


def docker_config(folder: Path, *hosts: str, name: str = ".dockerconfigjson", **keys: str) -> SourceSecret:
    folder.mkdir()
    auth = base64.b64encode(b"me:correct horse").decode()
    (folder / name).write_text(json.dumps({"auths": {host: {"auth": auth} for host in hosts}}))
    for key, text in keys.items():
        (folder / key).write_text(text)
    return SourceSecret(folder)


@pytest.mark.parametrize("name", [".dockerconfigjson", "config.json"])
def test_a_docker_config_opens_the_registry_it_names(shelf: Shelf, tmp_path: Path, name: str) -> None:
    shelf.push("v1", *named())
    shelf.memory.scheme, shelf.memory.users = "Basic", {"me": "correct horse"}
    shelf.fetch(tmp_path / "model", secret=docker_config(tmp_path / "secret", "https://registry.test/v1/", "registry.test", name=name))
    assert found_in(tmp_path / "model") == FILES


@pytest.mark.parametrize(
    ("keys", "options", "message"),
    [
        ({}, {"reference": "evil.test/models/minilm:v1"}, r"may not be sent to evil\.test: `auths` names registry\.test:443"),
        ({}, {"plain_http": True}, r"may not be sent to http://registry\.test: `auths` names registry\.test:443"),
        ({"hosts": "other.test"}, {}, r"may not be sent to registry\.test: its key `hosts` names other\.test:443"),
    ],
)
def test_credentials_go_nowhere_else_and_not_in_the_clear(
    shelf: Shelf, tmp_path: Path, keys: dict[str, str], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TransientError, match=message) as caught:
        shelf.fetch(tmp_path / "model", secret=docker_config(tmp_path / "secret", "registry.test", **keys), **options)
    assert caught.value.reason == "InvalidConfig"
    assert shelf.memory.requests == []


def test_a_registry_without_tls_gets_them_where_the_secret_says_so(shelf: Shelf, tmp_path: Path) -> None:
    shelf.push("v1", *named())
    shelf.memory.scheme, shelf.memory.users = "Basic", {"me": "correct horse"}
    secret = docker_config(tmp_path / "secret", "registry.test", hosts="http://registry.test")
    shelf.fetch(tmp_path / "model", secret=secret, plain_http=True)
    assert found_in(tmp_path / "model") == FILES


def test_a_secret_that_is_no_docker_config_says_what_it_must_be(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0psecret")
    with pytest.raises(TransientError, match=r"must be of type kubernetes.io/dockerconfigjson"):
        shelf.fetch(tmp_path / "model", secret=SourceSecret(tmp_path))
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(TransientError, match=r"has a `config.json` that is no docker config"):
        shelf.fetch(tmp_path / "model", secret=SourceSecret(tmp_path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("registry.test/a", ("registry.test/a", "latest", "")),
        ("registry.test:5000/a/b_c:v1.2", ("registry.test:5000/a/b_c", "v1.2", "")),
        ("registry.test:5000/a@sha256:" + "0" * 64, ("registry.test:5000/a", "latest", "sha256:" + "0" * 64)),
        ("[::1]:5000/a:v1", ("[::1]:5000/a", "v1", "")),
    ],
)
def test_a_reference_is_read(text: str, expected: tuple[str, str, str]) -> None:
    found = OciReference.parse(text)
    assert (str(found.repository), found.tag, found.digest) == expected


@pytest.mark.parametrize(
    "text", ["minilm", "registry.test/A", "registry.test/a:", "registry.test/a@sha256:0", "https://registry.test/a", "registry.test/a:v 1"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"oci\.reference") as caught:
        OciReference.parse(text)
    assert caught.value.reason == "InvalidSpec"

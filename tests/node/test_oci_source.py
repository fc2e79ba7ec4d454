"""A source from a real registry (Debian's docker-registry) with TLS, an authority of its own, and a password from a Secret."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from llmos.artifacts import MODEL_ARTIFACT, MODEL_CONFIG, MODEL_WEIGHT, FileLayer, Registry, RegistryAccess, Repository
from llmos.errors import NotFoundError, TransientError
from llmos.local.settings import LocalSettings
from llmos.local.toolchain import Toolchain
from llmos.models.folder import is_model_file
from llmos.workload import SourceSecret, fetch_oci_artifact
from tests.node.servers import free_port, make_certificates

pytestmark = pytest.mark.node

FILES = {"config.json": b"{}", "model.safetensors": bytes(range(256)) * 40_000}
# bcrypt of "correct horse", made for this test.
HTPASSWD = "me:$2b$04$Eaw9z8tXZxbL6kINNkDP/OuSccVWtF1gQriJkjzoFZTMwkEbciBdW\n"


@dataclass(frozen=True)
class Shelf:
    """A running registry with one artifact in it."""

    host: str
    authority: Path
    digest: str
    folder: Path

    def secret(self, folder: Path, *, password: str = "correct horse", host: str = "") -> SourceSecret:
        folder.mkdir()
        auth = base64.b64encode(f"me:{password}".encode()).decode()
        (folder / ".dockerconfigjson").write_text(json.dumps({"auths": {host or self.host: {"auth": auth}}}))
        return SourceSecret(folder)

    def fetch(self, into: Path, secret: SourceSecret | None, *, tag: str = "") -> str:
        reference = f"{self.host}/team/minilm:{tag or 'p-' + self.digest.removeprefix('sha256:')}"
        return fetch_oci_artifact(reference, into, wanted=is_model_file, secret=secret, sleep=lambda _seconds: None)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    folder, host = tmp_path_factory.mktemp("registry"), f"127.0.0.1:{free_port()}"
    authority = make_certificates(folder)
    (folder / "htpasswd").write_text(HTPASSWD)
    tls = {"certificate": str(folder / "public.crt"), "key": str(folder / "private.key")}
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host, "tls": tls},
        "auth": {"htpasswd": {"realm": "team", "path": str(folder / "htpasswd")}},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        program = Toolchain(LocalSettings.from_environment()).registry()
        process = subprocess.Popen([str(program), "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        wait_until_it_answers(host, authority, folder / "log")
        yield Shelf(host, authority, push(host, authority, folder), folder)
    finally:
        process.terminate()
        process.wait(timeout=10)


def wait_until_it_answers(host: str, authority: Path, log: Path) -> None:
    context, end = ssl.create_default_context(cafile=authority), time.monotonic() + 20
    while True:
        try:
            assert httpx.get(f"https://{host}/v2/", verify=context, trust_env=False).status_code == 401
            return
        except httpx.TransportError:
            assert time.monotonic() < end, f"the registry does not answer:\n{log.read_text()}"
            time.sleep(0.05)


def push(host: str, authority: Path, folder: Path) -> str:
    secret = Shelf(host, authority, "", folder).secret(folder / "owner")
    layers = []
    for index, (path, content) in enumerate(FILES.items()):
        (folder / f"file-{index}").write_bytes(content)
        layers.append(FileLayer(path=path, source=folder / f"file-{index}", media_type=MODEL_WEIGHT))
    access = RegistryAccess(ca_file=str(authority), credentials_file=str(secret.path(".dockerconfigjson")))
    with Registry(access) as registry:
        repository = Repository.parse(f"{host}/team/minilm")
        return registry.push_payload(repository, layers, artifact_type=MODEL_ARTIFACT, config_type=MODEL_CONFIG, config={}).digest


@pytest.fixture(autouse=True)
def authority(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `workload.caBundle` does in a pod."""
    monkeypatch.setenv("SSL_CERT_FILE", str(shelf.authority))


def test_a_docker_config_opens_a_registry_that_has_a_password(shelf: Shelf, tmp_path: Path) -> None:
    resolved = shelf.fetch(tmp_path / "model", shelf.secret(tmp_path / "secret"))
    assert resolved == f"{shelf.host}/team/minilm@{shelf.digest}"
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == FILES


def test_a_tag_that_is_not_there_is_looked_for_again(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is not in the registry; push it"):
        shelf.fetch(tmp_path / "model", shelf.secret(tmp_path / "secret"), tag="v1")


def test_a_stranger_and_a_wrong_password_are_turned_away(shelf: Shelf, tmp_path: Path) -> None:
    for secret in (None, shelf.secret(tmp_path / "secret", password="wrong horse")):
        with pytest.raises(TransientError, match=r"answered 401 .*check the credentials") as caught:
            shelf.fetch(tmp_path / "model", secret)
        assert "wrong horse" not in caught.value.message


def test_a_docker_config_of_another_registry_is_not_sent(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=r"`auths` names other\.example:443"):
        shelf.fetch(tmp_path / "model", shelf.secret(tmp_path / "secret", host="other.example"))


def test_a_certificate_of_an_unknown_authority_is_not_believed(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED"):
        shelf.fetch(tmp_path / "model", shelf.secret(tmp_path / "secret"))

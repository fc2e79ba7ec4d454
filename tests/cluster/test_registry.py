"""The registry client against a real registry (Debian's docker-registry): in the clear, and with TLS, a CA of its own and a password.

The behaviour is the same class as in the fast rung, so the in-memory registry there cannot drift from a real one.
"""

import base64
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from llmos.artifacts import RegistryAccess, Repository
from llmos.errors import TransientError
from llmos.local.settings import LocalSettings
from llmos.local.toolchain import Toolchain
from tests.unit.artifacts.registry_behaviour import NO_SUCH, RegistryBehaviour, Store, push

pytestmark = pytest.mark.cluster
plain = pytest.mark.parametrize("access_and_host", ["plain"], indirect=True)
secured = pytest.mark.parametrize("access_and_host", ["secured"], indirect=True)

# bcrypt of "correct horse", made for this test.
HTPASSWD = "me:$2b$04$Eaw9z8tXZxbL6kINNkDP/OuSccVWtF1gQriJkjzoFZTMwkEbciBdW\n"


def make_certificate(folder: Path) -> None:
    subject = ["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *files, *subject], check=True, capture_output=True
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module", params=["plain", "secured"])
def access_and_host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RegistryAccess, str]]:
    folder, host = tmp_path_factory.mktemp("registry"), f"127.0.0.1:{free_port()}"
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": host},
    }
    access = RegistryAccess(plain_http=True)
    if request.param == "secured":
        make_certificate(folder)
        (folder / "htpasswd").write_text(HTPASSWD)
        config["http"]["tls"] = {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")}  # type: ignore[index]
        config["auth"] = {"htpasswd": {"realm": "llmos", "path": str(folder / "htpasswd")}}
        auth = base64.b64encode(b"me:correct horse").decode()
        (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
        access = RegistryAccess(plain_http=False, ca_file=str(folder / "tls.crt"), credentials_file=str(folder / "config.json"))
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        program = Toolchain(LocalSettings.from_environment()).registry()
        process = subprocess.Popen([str(program), "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        wait_until_it_answers(host, folder / "log")
        yield access, host
    finally:
        process.terminate()
        process.wait(timeout=10)


def wait_until_it_answers(host: str, log: Path) -> None:
    address = (host.split(":")[0], int(host.split(":")[1]))
    for _ in range(100):
        try:
            socket.create_connection(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the registry did not start:\n{log.read_text()}")


@pytest.fixture
def store(access_and_host: tuple[RegistryAccess, str], request: pytest.FixtureRequest) -> Store:
    access, host = access_and_host
    name = "".join(char if char.isalnum() else "-" for char in request.node.name.lower()).strip("-")
    return Store(Repository(host, "llmos/demo").child(name), access)


class TestRealRegistry(RegistryBehaviour):
    """All of the shared behaviour."""


def test_a_large_file_is_resumed_from_a_real_registry(store: Store, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000
    with store.registry() as registry:
        pushed = push(registry, store.repository, tmp_path, {"model": content})
        partial = tmp_path / f".out.{pushed.digest[7:19]}.partial"
        partial.mkdir()
        (partial / "model").write_bytes(content[:7_000_000])
        seen: list[int] = []
        into = registry.fetch_payload(store.repository, pushed.digest, tmp_path / "out", on_progress=lambda done, _total: seen.append(done))
    assert (into / "model").read_bytes() == content
    assert seen[0] == 7_000_000


@secured
def test_a_stranger_is_turned_away(store: Store) -> None:
    stranger = Store(store.repository, RegistryAccess(ca_file=store.access.ca_file))
    with stranger.registry() as registry, pytest.raises(TransientError, match="answered 401"):
        registry.find_version(store.repository, NO_SUCH)


@secured
def test_a_certificate_of_an_unknown_authority_is_not_believed(store: Store) -> None:
    believer = Store(store.repository, RegistryAccess(credentials_file=store.access.credentials_file))
    with believer.registry() as registry, pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED"):
        registry.find_version(store.repository, NO_SUCH)


@plain
def test_the_registry_keeps_our_manifests_byte_for_byte(store: Store, tmp_path: Path) -> None:
    """artifactType and unknown media types must survive: the digest is over the bytes."""
    with store.registry() as registry:
        digest = push(registry, store.repository, tmp_path).digest
    url = f"http://{store.repository.host}/v2/{store.repository.path}/manifests/p-{digest[7:]}"
    response = httpx.get(url, headers={"Accept": "application/vnd.oci.image.manifest.v1+json"}, trust_env=False)
    assert response.headers["docker-content-digest"] == digest
    assert response.json()["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"

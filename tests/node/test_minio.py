"""Downloads from a bucket of a real MinIO: in the clear, and with TLS, an authority of its own and keys that it checks."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest
from obstore.store import S3Store

from llmos.errors import TransientError
from llmos.local.settings import LocalSettings
from llmos.local.toolchain import Toolchain
from tests.node.servers import free_port, make_certificates
from tests.unit.workload.s3_behaviour import BUCKET, FILES, S3Behaviour, Store, fetch, filled, found_in

__all__ = ["filled"]

pytestmark = pytest.mark.node
secured = pytest.mark.parametrize("server", ["secured"], indirect=True)
USER, PASSWORD = "llmos", "correct-horse"


@dataclass(frozen=True)
class Server:
    """A running MinIO."""

    url: str
    authority: Path | None

    def owner(self) -> S3Store:
        client: Any = {"allow_http": True, **({"root_certificate": self.authority.read_bytes()} if self.authority else {})}
        keys = {"access_key_id": USER, "secret_access_key": PASSWORD}
        return S3Store(BUCKET, endpoint=self.url, region="us-east-1", client_options=client, **keys)

    def is_ready(self) -> bool:
        try:
            verify = ssl.create_default_context(cafile=self.authority)
            return httpx.get(f"{self.url}/minio/health/ready", verify=verify, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module", params=["plain", "secured"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A MinIO with an empty bucket, stopped at the end."""
    folder, host = tmp_path_factory.mktemp("minio"), f"127.0.0.1:{free_port()}"
    (folder / "data" / BUCKET).mkdir(parents=True)
    (folder / "certificates").mkdir()
    authority = None
    if request.param == "secured":
        (folder / "made").mkdir()
        authority = make_certificates(folder / "made")
        for name in ("public.crt", "private.key"):
            (folder / "made" / name).rename(folder / "certificates" / name)
    argv = [str(Toolchain(LocalSettings.from_environment()).minio()), "server", "--quiet", f"--address={host}"]
    argv += [f"--console-address=127.0.0.1:{free_port()}", f"--certs-dir={folder / 'certificates'}", str(folder / "data")]
    environment = {**os.environ, "MINIO_ROOT_USER": USER, "MINIO_ROOT_PASSWORD": PASSWORD, "MINIO_UPDATE": "off"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)
    found = Server(f"http{'s' if authority else ''}://{host}", authority)
    try:
        end = time.monotonic() + 30
        while not found.is_ready():
            assert time.monotonic() < end, f"MinIO does not answer:\n{(folder / 'log').read_text()}"
            time.sleep(0.1)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def store(server: Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The server, and what a pod's `workload.caBundle` would say."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    if server.authority is not None:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    owner = server.owner()

    def put(key: str, content: bytes) -> None:
        obstore.put(owner, key, content)

    return Store(server.url, put, USER, PASSWORD)


class TestMinio(S3Behaviour):
    """All of the shared behaviour."""


def test_keys_that_minio_does_not_know_are_refused(filled: Store, tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=r"answered 403 \(SignatureDoesNotMatch\) for .*correct the keys") as caught:
        fetch(filled.folder(), tmp_path / "model", secret=filled.secret(tmp_path / "secret", secretAccessKey="another-key"))
    assert "another-key" not in caught.value.message


def test_a_bucket_that_is_not_public_refuses_strangers(filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(TransientError, match=r"answered 403 \(AccessDenied\)"):
        fetch(filled.folder(), tmp_path / "model")


@secured
def test_a_certificate_of_an_unknown_authority_is_not_believed(filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = filled.secret(tmp_path / "secret")
    fetch(filled.folder(), tmp_path / "model", secret=secret)
    assert found_in(tmp_path / "model") == FILES
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(TransientError, match="cannot be reached"):
        fetch(filled.folder(), tmp_path / "other", secret=secret)

"""A KnowledgeBase from a real PostgreSQL over TCP: its facts, TLS that is checked, and where the login goes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from llmos.errors import ConfigError, TransientError
from llmos.knowledge.fetching import fetch_files, record_of
from llmos.knowledge.source_spec import SourcePlace
from llmos.workload import SourceAccess

ROWS = "CREATE TABLE disease (code text, name text); INSERT INTO disease VALUES ('J10', 'Influenza'), ('R50', 'Fever')"


def place(port: int, **changes: object) -> SourcePlace:
    queries = [{"name": "diseases", "query": "SELECT code, name FROM disease"}, {"name": "codes", "query": "SELECT code FROM disease"}]
    told = {"host": "localhost", "port": port, "database": "postgres", "queries": queries, **changes}
    return SourcePlace.model_validate({"name": "clinic", "postgresql": told}, by_alias=True, by_name=False)


def access(folder: Path, *, hosts: str, password: str = "right", plain: bool = False) -> SourceAccess:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for key, value in {"username": "reader", "password": password, "hosts": hosts}.items():
        (folder / key).write_text(value)
    return SourceAccess.model_validate({"secretDirectory": folder, "plainTCP": plain, "timeoutSeconds": 20})


@dataclass(frozen=True)
class Server:
    port: int
    authority: Path


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("the Debian package postgresql is not installed")
    folder = Path(tempfile.mkdtemp(prefix="llmos-pg-", dir="/tmp"))
    data = folder / "data"
    who = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    if who:
        shutil.chown(folder, "postgres", "postgres")
    subprocess.run(
        [programs[-1] / "initdb", "-D", data, "-U", "owner", "-A", "trust", "--no-sync"], check=True, capture_output=True, cwd=folder, **who
    )
    (data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n")
    write_certificate(data)
    for name in ("server.crt", "server.key"):
        if who:
            shutil.chown(data / name, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["-c", "listen_addresses=localhost", "-c", f"port={port}", "-c", "fsync=off", "-c", "ssl=on"]
    process = subprocess.Popen(
        [programs[-1] / "postgres", "-D", data, "-k", folder, *options],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **who,
    )
    try:
        with connect(f"host={folder} port={port} user=owner dbname=postgres") as connection:
            connection.execute(ROWS)
            connection.execute("CREATE ROLE reader LOGIN PASSWORD 'right'")
            connection.execute("GRANT SELECT ON disease TO reader")
        authority = folder / "authority.crt"
        shutil.copy(data / "server.crt", authority)
        yield Server(port, authority)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder)


def connect(address: str) -> psycopg.Connection:
    for _ in range(150):
        try:
            return psycopg.connect(address, autocommit=True)
        except psycopg.OperationalError:
            time.sleep(0.2)
    raise AssertionError("the server does not start")


def write_certificate(folder: Path) -> None:
    """A certificate of its own authority, for `localhost`."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    (folder / "server.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(private)
    (folder / "server.key").chmod(0o600)


@pytest.mark.node
def test_rows_come_over_tls_that_is_checked_and_are_recorded_by_their_digest(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
    reach = access(tmp_path / "secret", hosts=f"localhost:{server.port}")
    fetched = [fetch_files(place(server.port), ["diseases"], tmp_path / str(number), access=reach) for number in range(2)]
    assert (tmp_path / "0/diseases").read_text() == '{"code": "J10", "name": "Influenza"}\n{"code": "R50", "name": "Fever"}\n'
    assert sorted(path.name for path in (tmp_path / "0").iterdir()) == ["diseases"]
    assert fetched[0].resolved.name.startswith(f"postgresql://localhost:{server.port}/postgres@sha256:")
    assert record_of(fetched[:1]) == record_of(fetched[1:])
    other = fetch_files(place(server.port), ["codes"], tmp_path / "other", access=reach)
    assert other.version != fetched[0].version


@pytest.mark.node
def test_a_server_nobody_vouches_for_is_not_sent_the_password(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
    reach = access(tmp_path / "secret", hosts=f"localhost:{server.port}")
    with pytest.raises(TransientError, match="certificate verify failed"):
        fetch_files(place(server.port), ["diseases"], tmp_path / "into", access=reach)


@pytest.mark.node
def test_without_tls_it_must_be_written_so_and_a_wrong_password_is_no_secret(server: Server, tmp_path: Path) -> None:
    plain = f"http://localhost:{server.port}"
    fetch_files(place(server.port), ["codes"], tmp_path / "into", access=access(tmp_path / "secret", hosts=plain, plain=True))
    wrong = access(tmp_path / "secret", hosts=plain, plain=True, password="quite'wrong\\")
    with pytest.raises(TransientError, match=r"source clinic: the database cannot be used: .*check the server, the role") as caught:
        fetch_files(place(server.port), ["codes"], tmp_path / "again", access=wrong)
    assert "wrong" not in caught.value.message


@pytest.mark.parametrize(
    ("hosts", "is_plain"), [("db.example.org:5432", False), ("localhost:5432", True), ("http://localhost:5432", False)]
)
def test_the_login_goes_to_its_hosts_only(tmp_path: Path, hosts: str, is_plain: bool) -> None:
    with pytest.raises(TransientError, match="source clinic: the Secret of the source may not be sent to"):
        fetch_files(place(5432), ["codes"], tmp_path / "into", access=access(tmp_path / "secret", hosts=hosts, plain=is_plain))


def test_a_query_nobody_asks_and_a_login_nobody_gave_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"files names 'other', which postgresql\.queries does not bring"):
        fetch_files(place(5432), ["other"], tmp_path / "into", access=SourceAccess())
    with pytest.raises(ConfigError, match=r"no source\.secretDirectory says where its login is mounted"):
        fetch_files(place(5432), ["codes"], tmp_path / "into", access=SourceAccess())

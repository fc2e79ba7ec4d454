"""A real PostgreSQL answers queries: the same rows give the same file, and nothing can be changed through one.

The server is started here, on a socket in a folder of its own, as a user who is not root, and ended with the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from llmos.errors import ConfigError, LlmosError, PermanentError, TransientError
from llmos.knowledge.formats.registry import bind_format
from llmos.knowledge.formats.sql import QueryFacts, save_query
from llmos.knowledge.sink import ListSink

pytestmark = pytest.mark.node

ROWS = [("J10", "Influenza", ["fever", "dry cough"]), ("R50", "Fever 发烧", None), ("A00", 'Cholera "x"', [])]
MAPPING = {
    "entities": [{"id": "ICD:{code}", "kind": "Disease", "names": [{"column": "name"}]}],
    "facts": [
        {"subject": "ICD:{code}", "predicate": "has", "object": "S:{symptoms}", "split": {"column": "symptoms"}, "whenMissing": "Skip"}
    ],
}
QUERY = "SELECT code, name, symptoms FROM disease -- all of them"


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("the Debian package postgresql is not installed")
    return found[-1].parent


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="llmos-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    """Return how the owner connects."""
    programs, data = _programs(), folder / "data"
    who = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    initdb = [programs / "initdb", "-D", data, "-U", "owner", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **who)
    (data / "pg_hba.conf").write_text("local all locked scram-sha-256\nlocal all all trust\n")
    process = subprocess.Popen(
        [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **who,
    )
    address = f"host={folder} user=owner dbname=postgres"
    try:
        _prepare(address)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _prepare(address: str) -> None:
    for _ in range(150):
        try:
            connection = psycopg.connect(address, autocommit=True)
            break
        except psycopg.OperationalError:
            time.sleep(0.2)
    with connection:
        connection.execute("CREATE TABLE disease (code text, name text, symptoms text[])")
        for row in ROWS:
            connection.execute("INSERT INTO disease VALUES (%s, %s, %s)", row)
        connection.execute("CREATE ROLE reader LOGIN")
        connection.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")


def save(server: str, path: Path, query: str = QUERY, *, user: str = "owner", timeout_s: float = 20) -> QueryFacts:
    return save_query(server.replace("owner", user), path / "rows.jsonl", query=query, timeout_s=timeout_s)


def test_rows_are_read_through_the_same_mapping_as_any_table(server: str, tmp_path: Path) -> None:
    facts = save(server, tmp_path)
    assert (facts.columns, facts.num_rows, facts.database) == (("code", "name", "symptoms"), 3, "postgres")
    assert facts.server_version.split(".")[0].isdigit()
    assert facts.snapshot.count(":") == 2
    sink = ListSink()
    bind_format("JSONL", MAPPING, path="q")(tmp_path / "rows.jsonl", package_version="", sink=sink)
    assert {name.text for name in sink.names} == {"Influenza", "Fever 发烧", 'Cholera "x"'}
    assert [(fact.subject, fact.object) for fact in sink.facts] == [("ICD:J10", "S:fever"), ("ICD:J10", "S:dry_cough")]
    assert sink.problems == []


def test_neither_the_order_of_rows_nor_the_settings_of_a_role_leave_a_trace(server: str, tmp_path: Path) -> None:
    query = "SELECT *, timestamptz '2026-01-02 03:04+00' AS t, 0.1::float8 AS f, interval '1 day' AS i FROM disease ORDER BY code"
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = save(server, tmp_path / "a", query + " ASC")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("ALTER ROLE owner SET TimeZone = 'Asia/Shanghai'")
        connection.execute("ALTER ROLE owner SET IntervalStyle = 'sql_standard'")
    other = save(server, tmp_path / "b", query + " DESC")
    assert one.content_digest == other.content_digest
    assert one.query_digest != other.query_digest
    assert (tmp_path / "a/rows.jsonl").read_bytes() == (tmp_path / "b/rows.jsonl").read_bytes()


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM disease RETURNING code",
        "WITH gone AS (DELETE FROM disease RETURNING code) SELECT * FROM gone",
        "SELECT code FROM disease) AS x; DELETE FROM disease; SELECT * FROM (SELECT 1",
        "SELECT set_config('transaction_read_only', 'off', false), lo_create(0)",
        "SELECT nextval('pg_catalog.no')",
    ],
)
def test_a_query_can_change_nothing(server: str, tmp_path: Path, query: str) -> None:
    with pytest.raises(ConfigError):
        save(server, tmp_path, query)
    with psycopg.connect(server) as connection:
        assert connection.execute("SELECT count(*) FROM disease").fetchone() == (3,)


@pytest.mark.parametrize(
    ("query", "user", "kind", "message"),
    [
        ("SELECT pg_sleep(60)", "owner", ConfigError, "took more than 1 s"),
        ("SELECT nothing", "owner", ConfigError, 'column "nothing" does not exist'),
        ("SELECT 1 AS a, 2 AS a", "owner", ConfigError, "column 'a' twice"),
        ("SELECT repeat('x', 5000000) AS a", "owner", ConfigError, "has 5000009 bytes"),
        ("SELECT * FROM disease", "reader", PermanentError, "permission denied"),
        ("SELECT 1 AS a", "nobody_here", TransientError, "does not exist"),
    ],
    ids=["slow", "wrong", "twice", "large", "no right", "no role"],
)
def test_what_is_wrong_says_what_to_do(server: str, tmp_path: Path, query: str, user: str, kind: type[LlmosError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        save(server, tmp_path, query, user=user, timeout_s=1)
    assert caught.value.reason == "InvalidSource"


def test_a_password_is_in_no_error(server: str, tmp_path: Path) -> None:
    with pytest.raises(LlmosError) as caught:
        save(server + " password=s3cret", tmp_path, user="locked")
    assert "password authentication failed" in caught.value.message
    assert "s3cret" not in caught.value.message


def test_a_server_that_is_not_there_is_tried_again_later(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="cannot be used"):
        save_query(f"host={tmp_path} user=owner password=s3cret", tmp_path / "rows", query="SELECT 1 AS a", timeout_s=1)


def test_a_query_without_rows_gives_an_empty_file(server: str, tmp_path: Path) -> None:
    assert save(server, tmp_path, "SELECT code FROM disease WHERE false").num_rows == 0
    assert (tmp_path / "rows.jsonl").read_bytes() == b""

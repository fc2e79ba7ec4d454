"""A source that is a database: each query's rows as a file, and the login that may be sent there.

Must not: speak SQL; `formats.sql` does.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from psycopg.conninfo import make_conninfo

from llmos.errors import ConfigError
from llmos.knowledge.formats.sql import save_query
from llmos.knowledge.source_spec import PostgresqlSource
from llmos.workload import Reach, Reporter, Resolved, SourceAccess
from llmos.workload.transfer import arriving_folder, folder_digest, place_inside

__all__ = ["fetch_rows"]

_AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"


def fetch_rows(
    source: PostgresqlSource, names: Sequence[str], into: Path, *, access: SourceAccess, reporter: Reporter | None = None
) -> Resolved:
    """Write the rows of queries to a new folder, one file of JSONL a query.

    Args:
        names: of the queries, each of `source.queries`.
        access: the Secret with `username`, `password` and `hosts`; whether the server is spoken to without TLS; how long it may take.

    Returns: the database, and the digest of the rows.
    Raises: as `save_query`; TransientError (InvalidConfig) for a Secret that does not fit; ConfigError (InvalidSpec) without one.
    """
    connection = _connection_string(source, access)
    queries = {query.name: query.query for query in source.queries}
    seen: dict[str, tuple[str, int]] = {}
    with arriving_folder(into) as folder:
        for number, name in enumerate(names, start=1):
            if reporter is not None:
                reporter.progress("Download", None, f"query {name} ({number} of {len(names)})")
            path = place_inside(folder, name, "files")
            facts = save_query(connection, path, query=queries[name], timeout_s=access.timeout_seconds)
            seen[name] = facts.content_digest.removeprefix("sha256:"), path.stat().st_size
    return Resolved(f"{source}@{folder_digest(seen)}")


def _connection_string(source: PostgresqlSource, access: SourceAccess) -> str:
    secret = Reach.of(access).secret
    if secret is None:
        raise ConfigError("the source is postgresql, and no source.secretDirectory says where its login is mounted", reason="InvalidSpec")
    # The same list, in the same words, as for all sources: a server without TLS must be written with http://.
    secret.hosts.check(f"{'http' if access.plain_tcp else 'https'}://{source.host}:{source.port}")
    settings = {
        "host": source.host,
        "port": str(source.port),
        "dbname": source.database,
        "user": secret.value("username", is_secret=False),
        "password": secret.value("password"),
    }
    if access.plain_tcp:
        settings["sslmode"] = "disable"
    else:
        settings |= {"sslmode": "verify-full", "sslrootcert": os.environ.get("SSL_CERT_FILE", _AUTHORITIES)}
    return make_conninfo(**settings)

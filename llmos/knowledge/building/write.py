"""Merged tables → the files of a snapshot: SQLite, trie, description. The same content gives the same bytes.

Rows go from DuckDB to SQLite as columns, sorted as SQLite keeps them, so that its pages are written once, from left to right, and no value
becomes a Python object. A second thread does that while the first digests and builds the trie; both let go of the interpreter's lock.
Must not: parse sources, reach a network, or change the content.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from llmos.artifacts import canonical_json, digest_file
from llmos.knowledge.building.content import content_digest
from llmos.knowledge.building.counting import count_content
from llmos.knowledge.building.mentions import build_mentions
from llmos.knowledge.building.sqlite import SnapshotDatabase
from llmos.knowledge.formats.frequency import frequency_rank
from llmos.knowledge.layout import (
    DATABASE_FILE,
    DESCRIPTION_FILE,
    FORMAT_VERSION,
    SCHEMA_VERSION,
    TRIE_FILE,
    Description,
    SourceVersion,
)
from llmos.knowledge.linking.names import LinkingSettings
from llmos.knowledge.linking.soft.settings import SOFT_FILE

__all__ = ["write_snapshot"]

# Numbers of what only the snapshot's files need. An empty set of partitions sorts first, so it is 0.
_NUMBERS: Final = """
CREATE OR REPLACE TABLE visibility AS SELECT (row_number() OVER (ORDER BY partitions) - 1)::INTEGER AS number, partitions FROM (
  SELECT '' AS partitions UNION SELECT partition FROM file UNION SELECT partitions FROM derived);
CREATE OR REPLACE TABLE predicate AS SELECT row_number() OVER (ORDER BY name)::INTEGER AS number, name FROM (
  SELECT predicate AS name FROM fact UNION SELECT predicate FROM derived);
CREATE OR REPLACE TABLE proof AS SELECT *, (SELECT count(*) FROM evidence) + row_number() OVER (
  ORDER BY subject, predicate, object, confidence DESC, rule, partitions, proof) AS number FROM derived;
"""

_TABLES: Final = {
    "visibility": "SELECT number, partitions FROM visibility ORDER BY number",
    "entity": """SELECT e.number, e.id, e.kind, coalesce(s.text, e.id) AS name, coalesce(s.rank, 100) AS name_rank,
          (d.entity IS NOT NULL)::INTEGER AS is_defined
        FROM entity AS e LEFT JOIN definition AS d ON d.entity = e.number AND d.partition = ''
        LEFT JOIN shown AS s ON s.entity = e.number AND s.partition = '' ORDER BY e.number""",
    "label": """SELECT entity, v.number AS visibility, coalesce(s.text, e.id) AS name, coalesce(s.rank, 100) AS name_rank,
          coalesce(d.kind, e.kind) AS kind, (d.entity IS NOT NULL)::INTEGER AS is_defined
        FROM (SELECT entity, partition FROM definition UNION SELECT entity, partition FROM shown) AS who
        JOIN entity AS e ON e.number = who.entity JOIN visibility AS v ON v.partitions = who.partition
        LEFT JOIN definition AS d USING (entity, partition) LEFT JOIN shown AS s USING (entity, partition)
        WHERE who.partition <> '' ORDER BY entity, v.number""",
    "file": """SELECT f.number, source, version, path, v.number AS visibility
        FROM file AS f JOIN visibility AS v ON v.partitions = f.partition ORDER BY f.number""",
    "name": "SELECT entity, text, scope, tag, language, file FROM name ORDER BY ALL",
    "attribute": """SELECT subject, row_number() OVER (PARTITION BY subject ORDER BY predicate, value, datatype, language, file) AS place,
        predicate, value, datatype, language, file FROM attribute ORDER BY subject, place""",
    "predicate": "SELECT number, name FROM predicate ORDER BY number",
    "evidence": "SELECT number, file, reference, code, frequency, method, sentence, confidence FROM evidence ORDER BY number",
    "proof": "SELECT number, rule, confidence, proof AS body FROM proof ORDER BY number",
    # A fact with several pieces of evidence stands, for each who may see it, at the place of its most frequent one. What is derived and
    # also said, to the same readers or to everybody, stays said.
    "fact": """WITH said AS (
          SELECT f.subject, f.predicate, f.object, v.number AS visibility, min(r.rank) AS rank, list(f.evidence) AS reasons
          FROM fact AS f JOIN evidence AS e ON e.number = f.evidence JOIN file ON file.number = e.file
          JOIN visibility AS v ON v.partitions = file.partition JOIN frequency AS r ON r.frequency = e.frequency GROUP BY ALL)
        SELECT subject, p.number AS predicate, visibility, rank, object, unnest(reasons) AS evidence
        FROM said JOIN predicate AS p ON p.name = said.predicate
        UNION ALL
        SELECT d.subject, p.number, v.number, (SELECT rank FROM frequency WHERE frequency = ''), d.object, d.number
        FROM proof AS d JOIN predicate AS p ON p.name = d.predicate JOIN visibility AS v ON v.partitions = d.partitions
        WHERE NOT EXISTS (SELECT 1 FROM said AS s WHERE s.subject = d.subject AND s.predicate = d.predicate AND s.object = d.object
          AND s.visibility IN (0, v.number))
        ORDER BY ALL""",
}

_MENTIONS: Final = {
    "mention": "SELECT key, v.number AS visibility, rank, entity FROM mention JOIN visibility AS v ON v.partitions = partition ORDER BY ALL"
}


def write_snapshot(
    connection: duckdb.DuckDBPyConnection,
    directory: Path,
    *,
    linking: LinkingSettings,
    documents: Mapping[str, Any],
    counted: Mapping[str, int],
) -> Description:
    """Write sealed tables into an existing, empty directory and describe it.

    Args:
        connection: the merged, derived, checked and sealed tables.
        directory: where the files go.
        linking: which names are looked for.
        documents: what else the snapshot holds, by name, as JSON: rules for answers, say. They are content.
        counted: counts to be shown beside those of the tables.
    """
    header = {"format": FORMAT_VERSION, "linking": linking.to_document(), "documents": documents}
    connection.execute(_NUMBERS)
    _rank_frequencies(connection)
    with SnapshotDatabase(directory / DATABASE_FILE, connection.cursor()) as database, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(database.write_tables, _TABLES)
        indexing = pool.submit(database.index)
        digest = content_digest(connection, header=header)
        mentions = build_mentions(connection, linking)
        mentions.linker.save(directory / TRIE_FILE)
        counts = dict(sorted({**count_content(connection, mentions), **counted}.items()))
        trie_digest = digest_file(directory / TRIE_FILE)
        soft_files = _write_soft_index(connection, directory, linking)
        meta = {"schemaVersion": str(SCHEMA_VERSION), "contentDigest": digest, "trieDigest": trie_digest}
        meta |= {f"counts.{name}": str(count) for name, count in counts.items()}
        writing.result()
        indexing.result()
        database.write_tables(_MENTIONS)
        database.write_texts("meta", meta, columns=("key", "value"))
        bodies = {name: canonical_json(body).decode() for name, body in documents.items()}
        database.write_texts("document", bodies, columns=("name", "body"))
    description = Description(
        content_digest=digest,
        counts=counts,
        sources=_source_versions(connection),
        files={TRIE_FILE: trie_digest, DATABASE_FILE: digest_file(directory / DATABASE_FILE), **soft_files},
    )
    (directory / DESCRIPTION_FILE).write_bytes(canonical_json(description.to_document()) + b"\n")
    return description


def _write_soft_index(connection: duckdb.DuckDBPyConnection, directory: Path, linking: LinkingSettings) -> dict[str, str]:
    """Write the index for soft matching where it is asked for; returns its digest, by file."""
    if linking.soft is None:
        return {}
    from llmos.knowledge.building.soft import build_index  # NumPy: only for those who ask

    build_index(connection, linking).save(directory / SOFT_FILE)
    return {SOFT_FILE: digest_file(directory / SOFT_FILE)}


def _source_versions(connection: duckdb.DuckDBPyConnection) -> list[SourceVersion]:
    """Give each source the version its files agree on; several are joined, in order."""
    query = "SELECT source, string_agg(DISTINCT version, ', ' ORDER BY version) FROM file GROUP BY source ORDER BY source"
    return [SourceVersion(name, version) for name, version in connection.execute(query).fetchall()]


def _rank_frequencies(connection: duckdb.DuckDBPyConnection) -> None:
    written = [row[0] for row in connection.execute("SELECT DISTINCT frequency FROM evidence UNION SELECT ''").fetchall()]
    ranks = pa.table({"frequency": pa.array(written, pa.string()), "rank": pa.array(map(frequency_rank, written), pa.int32())})
    connection.register("arriving", ranks)
    connection.execute("CREATE OR REPLACE TABLE frequency AS SELECT * FROM arriving")
    connection.unregister("arriving")

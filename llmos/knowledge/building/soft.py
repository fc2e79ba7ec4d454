"""Names → the index for soft matching: what each name is made of, how rare that is, and which words stand for one another.

Only names that everybody may see take part: a partition's names would change how rare a feature is, and with it what others get.
Must not: search.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import duckdb
import numpy as np

from llmos.knowledge.linking.names import TOKEN_END, LinkingSettings
from llmos.knowledge.linking.soft.features import bucket_bits, pieces_of, words_of
from llmos.knowledge.linking.soft.index import Array, Features, NgramIndex, weigh

__all__ = ["build_index"]

_NAMES: Final = """
CREATE OR REPLACE TEMP TABLE compared AS
SELECT DISTINCT n.entity, k.key FROM name AS n JOIN findable AS k ON k.text = n.text JOIN file AS f ON f.number = n.file
WHERE k.key <> '' AND k.characters >= $minimum AND f.partition = ''
  AND (lower(n.language) IN $languages OR split_part(lower(n.language), '-', 1) IN $languages)
"""

# Two words stand for one another where they are words of different names of the same entities. From how often they do, it is taken away
# how often they stand in one name, as "abnormal" and "kidney" do. A word keeps its strongest relations; entities with very many words have
# none.
_RELATED: Final = f"""
WITH split AS (SELECT entity, key, unnest(string_split(rtrim(key, '{TOKEN_END}'), '{TOKEN_END}')) AS word FROM compared),
by_entity AS (SELECT DISTINCT entity, word FROM split QUALIFY count(DISTINCT word) OVER (PARTITION BY entity) <= 64),
by_name AS (SELECT DISTINCT entity, key, word FROM split),
entities AS (SELECT word, count(*) AS num FROM by_entity GROUP BY word),
names AS (SELECT word, count(*) AS num FROM by_name GROUP BY word),
together AS (SELECT a.word, b.word AS other, count(*) AS num FROM by_entity AS a JOIN by_entity AS b USING (entity)
  WHERE a.word <> b.word GROUP BY ALL HAVING num >= 2),
inside AS (SELECT a.word, b.word AS other, count(*) AS num FROM by_name AS a JOIN by_name AS b USING (entity, key)
  WHERE a.word <> b.word GROUP BY ALL),
strong AS (SELECT t.word, t.other, t.num / sqrt(e1.num * e2.num) - coalesce(i.num, 0) / sqrt(n1.num * n2.num) AS strength
  FROM together AS t JOIN entities AS e1 ON e1.word = t.word JOIN entities AS e2 ON e2.word = t.other
  JOIN names AS n1 ON n1.word = t.word JOIN names AS n2 ON n2.word = t.other
  LEFT JOIN inside AS i ON i.word = t.word AND i.other = t.other)
SELECT word, other, round(strength * strength, 6) AS weight FROM strong WHERE strength > 0.05
QUALIFY row_number() OVER (PARTITION BY word ORDER BY weight DESC, other) <= 16 ORDER BY word, other
"""  # noqa: S608 - our own mark


def build_index(connection: duckdb.DuckDBPyConnection, settings: LinkingSettings) -> NgramIndex:
    """Make the index of the merged names that are looked for."""
    languages = sorted({language.lower() for language in settings.languages})
    connection.execute(_NAMES, {"minimum": settings.minimum_name_characters, "languages": languages})
    rows = connection.execute("SELECT entity, key FROM compared ORDER BY entity, key").fetchall()
    names = [key.rstrip(TOKEN_END).split(TOKEN_END) for _, key in rows]
    vocabulary = {token for name in names for token in name}
    word_bits = bucket_bits(len(vocabulary))
    piece_bits = bucket_bits(len({piece for name in names for piece in pieces_of(name, 32)}))
    related = connection.execute(_RELATED).fetchall()
    connection.execute("DROP TABLE compared")
    starts, others, weights = _relations(related, word_bits)
    return NgramIndex(
        owners=np.asarray([entity for entity, _ in rows], dtype=np.int32),
        pieces=_features([pieces_of(name, piece_bits) for name in names], piece_bits),
        words=_features([words_of(name, word_bits) for name in names], word_bits),
        related_starts=starts,
        related=others,
        related_weights=weights,
    )


def _features(counted: Sequence[Counter[int]], bits: int) -> Features:
    """Weigh the features of each name, and turn names with features into features with names."""
    frequency = np.zeros(1 << bits, dtype=np.int64)
    for counts in counted:
        frequency[list(counts)] += 1
    # By math.log, a different number once each: NumPy's differs in its last bit from processor to processor.
    rarities = {num: math.log((1 + len(counted)) / (1 + num)) + 1 for num in set(frequency.tolist())}
    rarity = np.asarray([rarities[num] for num in frequency.tolist()], dtype=np.float32)
    buckets: list[int] = []
    names: list[int] = []
    weights: list[float] = []
    for name, counts in enumerate(counted):
        for bucket, weight in weigh(counts, rarity).items():
            buckets.append(bucket)
            names.append(name)
            weights.append(weight)
    order = np.argsort(np.asarray(buckets, dtype=np.int64), kind="stable")
    starts = np.zeros((1 << bits) + 1, dtype=np.int64)
    np.cumsum(frequency, out=starts[1:])
    return Features(starts, np.asarray(names, np.int32)[order], np.asarray(weights, np.float32)[order], rarity)


def _relations(rows: Sequence[tuple[str, str, float]], bits: int) -> tuple[Array, Array, Array]:
    """Put words into their buckets; two relations in one place add up."""
    strengths: dict[tuple[int, int], float] = {}
    for word, other, weight in rows:
        place = (next(iter(words_of([word], bits))), next(iter(words_of([other], bits))))
        strengths[place] = strengths.get(place, 0.0) + weight
    places = sorted(strengths)
    starts = np.searchsorted([word for word, _ in places], np.arange((1 << bits) + 1)).astype(np.int64)
    return starts, np.asarray([other for _, other in places], np.int32), np.asarray([strengths[place] for place in places], np.float32)

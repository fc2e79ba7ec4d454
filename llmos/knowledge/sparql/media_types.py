"""The W3C's names of the formats that a query's result can have.

Must not: need pyoxigraph: the sidecar knows these, its workers the library.
"""

from typing import Final

__all__ = ["CSV", "JSON", "N_TRIPLES", "SOLUTION_TYPES", "TRIPLE_TYPES", "TSV", "TURTLE", "XML"]

JSON: Final = "application/sparql-results+json"
XML: Final = "application/sparql-results+xml"
CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
TURTLE: Final = "text/turtle"
N_TRIPLES: Final = "application/n-triples"

SOLUTION_TYPES: Final = (JSON, XML, CSV, TSV)
"""What a SELECT is written in; an ASK in the first two."""

TRIPLE_TYPES: Final = (TURTLE, N_TRIPLES)
"""What a CONSTRUCT or DESCRIBE is written in."""

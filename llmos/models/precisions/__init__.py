"""Number formats of an export: one file here for each way of making one from the Float32 graph.

Must not: measure or decide; what comes out is compared, measured and judged by the caller like any other export.
"""

from llmos.models.precisions.build import build_precision

__all__ = ["build_precision"]

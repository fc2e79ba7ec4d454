"""Knowledge bases: reading sources, building snapshots, linking text to entities, and their facts.

`Snapshot` is what others use. Must not: need torch, or a network outside `build_job`.
"""

from llmos.knowledge.building.build import BuiltSnapshot, build_snapshot
from llmos.knowledge.building.entities import EntitySettings, MergeRule
from llmos.knowledge.linking.names import LinkingSettings
from llmos.knowledge.snapshot import EntityReference, Fact, FactEvidence, FactSource, Mention, Snapshot, Status
from llmos.knowledge.source_file import SourceFile

__all__ = [
    "BuiltSnapshot",
    "EntityReference",
    "EntitySettings",
    "Fact",
    "FactEvidence",
    "FactSource",
    "LinkingSettings",
    "Mention",
    "MergeRule",
    "Snapshot",
    "SourceFile",
    "Status",
    "build_snapshot",
]

"""A snapshot as a graph to walk in: one entity whole, what lies around it, and how two are connected.

Pure functions over an open `Snapshot`, each bounded in rows and, where it walks, in time. Must not: write, wait, or know HTTP.
"""

from llmos.knowledge.graph.edges import Edge, Node, unknown_predicates
from llmos.knowledge.graph.entity import EntityDescription, EntityName, describe_entity
from llmos.knowledge.graph.neighbourhood import Neighbourhood, find_neighbourhood
from llmos.knowledge.graph.path import PathSearch, find_path
from llmos.knowledge.graph.search import Hit, TooGeneral, search_names

__all__ = [
    "Edge",
    "EntityDescription",
    "EntityName",
    "Hit",
    "Neighbourhood",
    "Node",
    "PathSearch",
    "TooGeneral",
    "describe_entity",
    "find_neighbourhood",
    "find_path",
    "search_names",
    "unknown_predicates",
]

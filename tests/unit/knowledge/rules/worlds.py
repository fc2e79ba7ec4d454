"""Small graphs for tests of rules: the merged tables that a build would make, and the same in dictionaries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from llmos.knowledge.building.schema import TABLES
from llmos.knowledge.rules.deriving import derive_facts
from llmos.knowledge.rules.graph import MemoryGraph
from llmos.knowledge.rules.joins import Budget, Given, plan_join
from llmos.knowledge.rules.strata import plan_rules

Derived = dict[tuple[str, str, str], int]


@dataclass(frozen=True)
class World:
    entities: Mapping[str, str]
    """Identifier → kind."""

    facts: Sequence[tuple]
    """(subject, relation, object), then confidence and partition where they are not 1000 and everybody's."""

    values: Sequence[tuple] = ()
    """(entity, attribute, value), then the partition."""

    def stated(self):
        for subject, relation, object_, *rest in self.facts:
            yield subject, relation, object_, rest[0] if rest else 1000, rest[1] if len(rest) > 1 else ""

    def connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:", config={"threads": 1})
        connection.execute(TABLES)
        numbers = {id: number for number, id in enumerate(sorted(self.entities), start=1)}
        partitions = sorted({"", *(fact[4] for fact in self.stated()), *(value[3] for value in self.values if len(value) > 3)})
        files = {partition: number for number, partition in enumerate(partitions, start=1)}
        rows = {
            "entity": [(number, id, self.entities[id], f"the {id}") for id, number in numbers.items()],
            "definition": [(number, "", self.entities[id]) for id, number in numbers.items()],
            "file": [(number, "s", "1", f"{partition or 'all'}.txt", partition) for partition, number in files.items()],
            "evidence": [],
            "fact": [],
            "attribute": [(numbers[v[0]], v[1], v[2], "", "", files[v[3] if len(v) > 3 else ""]) for v in self.values],
        }
        for number, (subject, relation, object_, confidence, partition) in enumerate(self.stated(), start=1):
            rows["evidence"].append((number, files[partition], "", "", "", "", "", confidence))
            rows["fact"].append((numbers[subject], relation, numbers[object_], number))
        for table, content in rows.items():
            if content:
                listed = ", ".join("(" + ", ".join(_literal(value) for value in row) + ")" for row in content)
                connection.execute(f"INSERT INTO {table} VALUES {listed}")
        return connection

    def graph(self) -> MemoryGraph:
        graph = MemoryGraph()
        for id, kind in self.entities.items():
            graph.add_kind(id, kind, f"the {id}")
        for subject, relation, object_, confidence, _ in self.stated():
            graph.add_fact(subject, relation, object_, confidence)
        for value in self.values:
            graph.add_value(*value[:3])
        return graph


def _literal(value) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def derived_by_sql(connection: duckdb.DuckDBPyConnection, partitions: frozenset[str] = frozenset()) -> Derived:
    """Return what a reader with these partitions sees of `derived`, with the best confidence."""
    found: Derived = {}
    query = """SELECT s.id, predicate, o.id, confidence, partitions FROM derived
        JOIN entity AS s ON s.number = subject JOIN entity AS o ON o.number = object"""
    for subject, relation, object_, confidence, listed in connection.execute(query).fetchall():
        if partitions.issuperset(filter(None, listed.split(","))):
            fact = (subject, relation, object_)
            found[fact] = max(found.get(fact, 0), confidence)
    return found


def derived_by_python(world: World, rules) -> Derived:
    """Return what the evaluator for answers derives when it is given the whole graph."""
    graph = world.graph()
    strata = [[plan_join(rule, graph) for rule in stratum.rules] for stratum in plan_rules(rules).build]
    _, derived = derive_facts(strata, graph, Given({}, {}), Budget(10**7))
    relations = {rule.conclusion.relation for rule in rules}
    return {(subject, relation, object_): confidence for relation in relations for subject, object_, confidence in derived.facts(relation)}

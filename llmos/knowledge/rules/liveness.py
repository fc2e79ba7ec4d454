"""Rules that hold nowhere in a graph: run once, at build time, as far as a build can know.

What is mentioned and answered is unknown then, so a rule for answers is idle only if no mention and no answer could make it hold.
Must not: stop a build; a rule may be waiting for facts to come.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import duckdb

from llmos.knowledge.rules.body import Names, compile_body
from llmos.knowledge.rules.findings import Finding
from llmos.knowledge.rules.strata import plan_rules
from llmos.knowledge.rules.syntax import Answered, Comparison, Fact, Mentioned, Rule, variables

__all__ = ["find_idle_rules"]


def find_idle_rules(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule], names: Names) -> Iterator[Finding]:
    """Yield a warning for each rule that nothing in the graph can make hold.

    Args:
        connection: the database with the store, after everything was derived.
        rules: checked rules.
        names: of the store.
    """
    local = {relation for stratum in plan_rules(rules).answer for relation in stratum.relations}
    for rule in rules:
        if any(isinstance(atom, Fact) and atom.relation in local for atom in rule.conditions):
            continue  # its premises come with a question
        stored = _stored_part(rule)
        query = f"SELECT 1 {compile_body(stored, names, with_exceptions=False).source} LIMIT 1"
        if stored.conditions and not connection.execute(query).fetchall():
            yield Finding(rule.name, "holds nowhere in this graph: no facts satisfy its conditions together", is_error=False)


def _stored_part(rule: Rule) -> Rule:
    """Return the rule with only the conditions that a build can look up, and the comparisons between what those bind."""
    stored = [atom for atom in rule.conditions if not isinstance(atom, Mentioned | Answered | Comparison)]
    known = {variable for atom in stored for variable in variables(atom)}
    compared = [atom for atom in rule.conditions if isinstance(atom, Comparison) and known.issuperset(variables(atom))]
    return replace(rule, conditions=(*stored, *compared), exceptions=())

"""The step of a build that applies rules: checked against the merged graph, derived in strata, written with their proofs.

Must not: know where rules come from, or what becomes of the tables.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import duckdb

from llmos.knowledge.rules.checks import check_rules
from llmos.knowledge.rules.findings import Finding, raise_first_error
from llmos.knowledge.rules.fixpoint import apply_stratum
from llmos.knowledge.rules.liveness import find_idle_rules
from llmos.knowledge.rules.proofs import write_derived
from llmos.knowledge.rules.store import drop_store, make_store
from llmos.knowledge.rules.strata import plan_rules
from llmos.knowledge.rules.syntax import Fact, Rule
from llmos.knowledge.rules.vocabulary import read_vocabulary

__all__ = ["MAXIMUM_DERIVED", "rules_step"]

MAXIMUM_DERIVED: Final = 50_000_000


def rules_step(
    rules: Sequence[Rule], *, maximum_derived: int = MAXIMUM_DERIVED, on_finding: Callable[[Finding], None] = lambda _finding: None
) -> Callable[[duckdb.DuckDBPyConnection], Mapping[str, int]]:
    """Return a step for `build_snapshot`.

    Args:
        rules: what to apply.
        maximum_derived: how many facts they may derive in all.
        on_finding: told each warning, such as that a rule can never hold.

    The step raises ConfigError: InvalidRules with the first error and how many there are, TooManyDerivedFacts.
    """
    ordered = tuple(sorted(rules, key=lambda rule: rule.name))

    def step(connection: duckdb.DuckDBPyConnection) -> Mapping[str, int]:
        findings = check_rules(ordered, read_vocabulary(connection, ordered))
        raise_first_error(findings)
        plan = plan_rules(ordered)
        names = make_store(connection, ordered)
        remaining = maximum_derived
        for stratum in plan.build:
            remaining -= apply_stratum(connection, stratum, ordered, names, maximum=remaining)
            for relation in sorted(stratum.relations):
                write_derived(connection, relation, ordered, names)
        findings = [*findings, *find_idle_rules(connection, ordered, names)]
        drop_store(connection, names)
        connection.execute("DROP TABLE IF EXISTS quoted")
        for finding in findings:
            on_finding(finding)
        counts = {f"derived.{rule.name}": 0 for rule in ordered if isinstance(rule.conclusion, Fact)}
        for name, count in connection.execute("SELECT rule, count(*) FROM derived GROUP BY rule").fetchall():
            counts[f"derived.{name}"] = count
        return {"rules": len(ordered), "ruleWarnings": len(findings), **counts}

    return step

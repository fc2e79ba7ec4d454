"""Rules of a knowledge base: what follows from facts, and what may not be answered. docs/rules.md is their reference.

`parse_rules` reads them, `derive.rules_step` (it needs DuckDB, so it is imported from there) derives facts when a snapshot is built,
`RuleSet` judges answers, and `explain` says why a fact is there.
Must not: fetch, or decide what a verdict does to an answer.
"""

from llmos.knowledge.rules.documents import parse_rules, rule_to_document
from llmos.knowledge.rules.explain import Explanation, explain
from llmos.knowledge.rules.findings import Finding
from llmos.knowledge.rules.syntax import Rule, Verb
from llmos.knowledge.rules.verdicts import RULES_DOCUMENT, GivenVerdict, RuleSet

__all__ = [
    "RULES_DOCUMENT",
    "Explanation",
    "Finding",
    "GivenVerdict",
    "Rule",
    "RuleSet",
    "Verb",
    "explain",
    "parse_rules",
    "rule_to_document",
]

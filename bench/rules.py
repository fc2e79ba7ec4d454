"""What rules cost: deriving at build time, and judging answers, on the Human Phenotype Ontology. `python -m bench.rules FOLDER`.

FOLDER holds hp.obo and phenotype.hpoa. Must not: be run beside anything else when its figures are to be kept.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from llmos.knowledge import LinkingSettings, Snapshot, SourceFile, build_snapshot
from llmos.knowledge.rules import RULES_DOCUMENT, RuleSet, parse_rules, rule_to_document
from llmos.knowledge.rules.derive import rules_step

__all__ = ["main"]

_TEXTS = (
    "The child has seizures, a large head and was found to have low muscle tone.",
    "Short stature, intellectual disability, hearing impairment and no fever; cleft palate was repaired.",
)


def fifty_rules() -> list[dict[str, object]]:
    """Return a closure, and 49 rules of six forms with a constant of their own each."""
    forms = (
        (["mentioned ?p", "?p is_a {0}"], (), "warn", "{{p}} is of this system"),
        (["mentioned ?p", "?d lacks_phenotype ?p"], (), "deny answer ?d", "{{d}} comes without {{p}}"),
        (["mentioned {0}", "mentioned ?p"], ("?p is_a {0}",), "warn", "{{p}} is apart"),
        (["mentioned ?p", "answer ?a", "?p is_a ?a"], ("mentioned {0}",), "warn answer ?a", "{{p}} speaks for it"),
        (["answer {0}", "mentioned ?p"], ("?p is_a {0}",), "deny answer {0}", "{{p}} does not fit"),
        (["mentioned ?p as Negated", "?p is_a {0}"], (), "warn", "{{p}} is denied"),
    )
    systems = ["HP:0000707", "HP:0000152", "HP:0003011", "HP:0000924", "HP:0000598", "HP:0001626", "HP:0025031", "HP:0000119"]
    rules: list[dict[str, object]] = [
        {"name": "closure", "if": ["?x is_a ?y", "?y is_a ?z"], "then": "?x is_a ?z", "because": "{x} is a {y}"}
    ]
    for index in range(49):
        conditions, exceptions, then, because = forms[index % len(forms)]
        system = systems[index // len(forms) % len(systems)]
        rule = {"name": f"r{index}", "if": [c.format(system) for c in conditions], "then": then.format(system)}
        rule |= {"because": because.format()} | ({"unless": [e.format(system) for e in exceptions]} if exceptions else {})
        rules.append(rule)
    return rules


def main() -> None:
    """Print the figures."""
    folder = Path(sys.argv[1])
    rules = parse_rules(fifty_rules())
    files = [
        SourceFile(source="hpo", path=name, format=kind, package_version="0", location=folder / name)
        for name, kind in (("hp.obo", "OBO"), ("phenotype.hpoa", "HPOA"))
    ]
    with TemporaryDirectory() as built:
        spent = []

        def timed(connection):  # type: ignore[no-untyped-def]
            started = time.perf_counter()
            counts = rules_step(rules, on_finding=print)(connection)
            spent.append(time.perf_counter() - started)
            return counts

        documents = {RULES_DOCUMENT: [rule_to_document(rule) for rule in rules]}
        counts = build_snapshot(files, Path(built), linking=LinkingSettings(), steps=[timed], documents=documents).description.counts
        print(f"build: {len(rules)} rules derive {counts['derived']} facts in {spent[0]:.2f} s")
        with Snapshot.open(Path(built)) as snapshot:
            judged = RuleSet.load(snapshot)
            for text in _TEXTS:
                mentions = snapshot.link(text)
                times = []
                for _ in range(2000):
                    started = time.perf_counter()
                    verdicts = judged.judge(mentions, [("HP:0000707", 930)])
                    times.append((time.perf_counter() - started) * 1000)
                p50, p99 = np.percentile(times, [50, 99])
                shown = f"{len(mentions)} mentions, {len(verdicts)} verdicts"
                print(f"answer: {judged.num_verdict_rules} rules, {shown}: p50 {p50:.3f} ms, p99 {p99:.3f} ms")


if __name__ == "__main__":
    main()

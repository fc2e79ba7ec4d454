"""Rules over the synthetic graph: what a build derives, and fifty that judge answers.

Must not: apply them.
"""

from typing import Any, Final

__all__ = ["DERIVING", "JUDGING", "all_rules"]

_BASE: Final = "http://synthetic.example/"


def _relation(name: str) -> str:
    return f"<{_BASE}{name}>"


DERIVING: Final[list[dict[str, Any]]] = [
    {
        "name": "risk",
        "if": [f"?drug {_relation('contraindicatedIn')} ?disease", f"?disease {_relation('hasSymptom')} ?symptom"],
        "then": f"?drug {_relation('riskyWith')} ?symptom",
        "because": "the drug must not be given in a disease with this symptom",
    },
    {
        "name": "shared-gene",
        "if": [
            f"?drug {_relation('treats')} ?disease",
            f"?disease {_relation('associatedGene')} ?gene",
            f"?gene {_relation('regulates')} ?other",
        ],
        "unless": [f"?drug {_relation('contraindicatedIn')} ?disease"],
        "then": f"?drug {_relation('mayActOn')} ?other",
        "because": "the drug treats a disease of a gene that regulates this one",
        "unknown": "TreatedAsFalse",
    },
]
"""Two joins, one of them with negation: together about half as many facts as are stated."""

_CASES: Final = (
    ("contraindicatedIn", "Disease"),
    ("interactsWith", "Drug"),
    ("treats", "Disease"),
    ("riskyWith", "Symptom"),
    ("mayActOn", "Gene"),
)

JUDGING: Final[list[dict[str, Any]]] = [
    {
        "name": f"judge-{index}",
        "if": [
            f"mentioned ?named as {status}",
            f"?named a {_relation(kind)}",
            "answer ?drug",
            f"?drug {_relation(relation)} ?named",
            f"?named.{_relation('onset')} >= {index}" if kind == "Disease" else f"?drug != <{_BASE}Drug/none>",
        ],
        "then": "deny answer ?drug" if index % 2 else "warn answer ?drug",
        "because": "what is known of {drug} and {named} speaks against it",
    }
    for index, (relation, kind, status) in enumerate(
        (relation, kind, status) for status in ("Present", "Negated", "Past", "Any") * 3 for relation, kind in _CASES
    )
][:50]


def all_rules() -> list[dict[str, Any]]:
    """Return the document of a snapshot's rules."""
    return DERIVING + JUDGING

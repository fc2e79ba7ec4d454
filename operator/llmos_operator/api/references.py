"""What one custom resource says about another: a role, a kind, a name, and how it follows new versions.

Must not: resolve anything.
"""

from dataclasses import dataclass

__all__ = ["Reference"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference in the same namespace."""

    role: str
    """`trainingJob`, `base`, `model`, or `knowledge/<name>`: the key in the inputs hash's parents."""

    kind: str
    name: str
    """Empty: any object of the kind may be chosen, and none is yet."""

    digest: str | None = None
    """A version digest to stay at."""

    is_manual: bool = False
    """Stay at what was resolved first until `digest` names another."""

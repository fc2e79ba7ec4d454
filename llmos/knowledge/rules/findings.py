"""What a check says of a rule: an error that stops a build, or a warning that is shown.

Must not: check.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from llmos.knowledge.rules.documents import invalid_rules

__all__ = ["Finding", "raise_first_error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or looks wrong."""

    rule: str
    """The rule's name."""

    message: str
    """A sentence with the remedy."""

    is_error: bool = True

    def __str__(self) -> str:
        return f"rule `{self.rule}` {self.message}"


def raise_first_error(findings: Iterable[Finding]) -> None:
    """Raise ConfigError (InvalidRules) with the first error and the number of others, if there is one."""
    errors = [finding for finding in findings if finding.is_error]
    if errors:
        others = f" ({len(errors) - 1} more like this)" if len(errors) > 1 else ""
        raise invalid_rules(f"{errors[0]}{others}")

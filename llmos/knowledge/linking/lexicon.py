"""What a word list of assertion status is made of: statuses, rules and the words that end them.

Must not: hold words (each language has a module of its own) or look at text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Direction", "Lexicon", "Reach", "Rule", "Status"]


class Status(StrEnum):
    """What a text says of a mention. Where several hold, the one that stands first here is kept."""

    Other = "Other"
    """Of someone else than the person the text is about: a relative, a contact, an animal."""

    Hypothetical = "Hypothetical"
    """Thought of, asked about, feared, to be prevented, or possible: not said to be so."""

    Negated = "Negated"
    """Said not to be so."""

    Past = "Past"
    """Was so and is over, or belongs to the history."""

    Present = "Present"
    """Everything else, what a question is about included ("what is gout?")."""


class Direction(StrEnum):
    """Where the mentions stand that a trigger speaks of."""

    Forward = "Forward"
    Backward = "Backward"


class Reach(StrEnum):
    """How far a trigger speaks, if no terminator comes before."""

    Sentence = "Sentence"
    List = "List"
    """To the next comma; over commas where a later "or" or "nor" of the sentence shows that they part a list."""

    Clause = "Clause"
    """To the next comma or closing parenthesis."""

    Adjacent = "Adjacent"
    """Only to the mention that stands directly beside it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Triggers that mean the same: phrases, a line each or parted by `|`. A rule for Present shields its mentions from
    Hypothetical and Past.

    `{name}` stands for each phrase of that group of the lexicon, `#` for a number in digits or words, `@` for a year, `^` and `$` for the
    beginning and the end of a sentence.
    """

    status: Status
    direction: Direction
    reach: Reach
    phrases: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """The words of one language."""

    groups: Mapping[str, str]
    """Phrases that stand for each other inside the phrases of rules."""

    rules: tuple[Rule, ...]
    pseudo: str
    """Phrases that hold a trigger's words and are none: they take the words and mean nothing."""

    terminators: tuple[tuple[str, tuple[Status, ...]], ...]
    """Phrases, and the statuses whose triggers do not speak across them."""

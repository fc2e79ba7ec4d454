"""Words of the rule language: one atom's text → tokens, each with its place.

Must not: know what an atom is.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["NUMBER", "RESERVED", "RuleSyntaxError", "Token", "TokenKind", "is_bare", "tokenise_atom"]


class TokenKind(StrEnum):
    """What a token is, in words for error messages."""

    Variable = "a variable"
    Quoted = "a name in <>"
    Text = "text in quotes"
    Number = "a number"
    Operator = "a comparison"
    Dot = "a dot"
    Word = "a word"
    End = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an atom's text."""

    kind: TokenKind
    text: str
    """A variable's name, what stands in the brackets or quotes, or the characters themselves."""

    start: int
    """First character, from 0."""

    def __str__(self) -> str:
        if self.kind is TokenKind.End:
            return "the end"
        shown = {TokenKind.Variable: f"?{self.text}", TokenKind.Quoted: f"<{self.text}>", TokenKind.Text: f'"{self.text}"'}
        return f"`{shown.get(self.kind, self.text)}`"


class RuleSyntaxError(ValueError):
    """The text is no atom; `position` counts characters from 1."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


NUMBER: Final = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,2})?", re.ASCII)
"""What is a number, in rules and in the attributes of sources: DuckDB and Python read these alike, and all are finite."""

_WORD: Final = r"""[^\s<>"?=!.]+(?:\.[^\s<>"?=!.]+)*"""
_PATTERN: Final = re.compile(
    rf"""(?P<Space>\s+)
    |(?P<Variable>\?[A-Za-z_][A-Za-z0-9_]*)
    |<(?P<Quoted>[^\s<>=][^<>\n]*)>
    |"(?P<Text>(?:[^"\\]|\\["\\])*)"
    |(?P<Number>{NUMBER.pattern})(?![^\s<>=!])
    |(?P<Operator>!=|<=|>=|=|<|>)
    |(?P<Dot>\.)
    |(?P<Word>{_WORD})""",
    re.VERBOSE | re.ASCII,
)

RESERVED: Final = frozenset({"a", "mentioned", "answer", "with", "as", "deny", "require", "warn"})
"""Words with a meaning of their own; a relation or entity called so is written in <>."""


def is_bare(text: str) -> bool:
    """Say whether a name can be written without <>."""
    return text not in RESERVED and re.fullmatch(_WORD, text, re.ASCII) is not None and NUMBER.fullmatch(text) is None


def tokenise_atom(text: str) -> list[Token]:
    """Cut an atom's text into tokens, the last of which is the end.

    Raises: RuleSyntaxError at a character that begins nothing.
    """
    tokens = []
    position = 0
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:
            raise RuleSyntaxError(_complaint(text, position), position + 1)
        name = str(match.lastgroup)
        if name != "Space":
            found = match[name]
            if name == "Variable":
                found = found[1:]
            elif name == "Text":
                found = re.sub(r"\\(.)", r"\1", found)
            tokens.append(Token(TokenKind[name], found, position))
        position = match.end()
    return [*tokens, Token(TokenKind.End, "", len(text))]


def _complaint(text: str, position: int) -> str:
    character = text[position]
    if character == "?":
        return "a variable is `?` and a name of letters, digits and `_`"
    if character == '"':
        return 'text must end with `"`; inside, write `\\"` and `\\\\`'
    return f"`{character}` begins nothing that a rule can hold"

"""Text of an atom or a conclusion → its syntax tree, with errors that say where, what was expected, and what stands there.

Recursive descent by hand: the language has one level, so a grammar library would add a dependency and take away the wording.
Must not: know whether a relation or an entity exists.
"""

from decimal import Decimal
from typing import Final

from llmos.knowledge.linking.assertion import Status
from llmos.knowledge.rules.syntax import (
    Answered,
    Atom,
    Attribute,
    Comparison,
    Conclusion,
    Constant,
    Entity,
    Fact,
    Kind,
    Mentioned,
    Operator,
    Term,
    Variable,
    Verb,
    Verdict,
)
from llmos.knowledge.rules.tokens import NUMBER, RESERVED, RuleSyntaxError, Token, TokenKind, tokenise_atom
from llmos.knowledge.sink import CERTAIN

__all__ = ["parse_atom", "parse_conclusion", "parse_thousandths"]

_VERBS: Final = {verb.lower(): verb for verb in Verb}


def parse_atom(text: str) -> Atom:
    """Parse one entry of `if` or `unless`; RuleSyntaxError says what is wrong and where."""
    parser = _Parser(text)
    atom = parser.atom()
    parser.end()
    return atom


def parse_conclusion(text: str) -> Conclusion:
    """Parse `then`; RuleSyntaxError says what is wrong and where."""
    parser = _Parser(text)
    conclusion = parser.conclusion()
    parser.end()
    return conclusion


def parse_thousandths(text: str) -> int:
    """Parse a share such as 0.85; ValueError if it is not in 0.001 … 1 with at most three decimals."""
    exact = Decimal(text) * CERTAIN if NUMBER.fullmatch(text) else Decimal(0)
    if exact != int(exact) or not 1 <= exact <= CERTAIN:
        raise ValueError(f"{text} must be a number from 0.001 to 1 with at most three decimals")
    return int(exact)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = tokenise_atom(text)
        self._next = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        if token.kind is not TokenKind.End:
            self._next += 1
        return token

    def _fail(self, expected: str) -> RuleSyntaxError:
        return RuleSyntaxError(f"expected {expected}, found {self._token}", self._token.start + 1)

    def _is_word(self, text: str) -> bool:
        return self._token.kind is TokenKind.Word and self._token.text == text

    def end(self) -> None:
        """Refuse anything that follows."""
        if self._token.kind is not TokenKind.End:
            raise self._fail("the end; each condition is an entry of its own")

    def conclusion(self) -> Conclusion:
        """A fact, or a verdict about the answer."""
        token = self._token
        verb = _VERBS.get(token.text) if token.kind is TokenKind.Word else None
        if verb is None:
            atom = self.atom()
            if not isinstance(atom, Fact):
                raise RuleSyntaxError("`then` must be a fact, `deny answer …`, `require answer …` or `warn`", token.start + 1)
            if atom.minimum_confidence:
                raise RuleSyntaxError("a conclusion takes its confidence from its premises; use `confidence` of the rule", token.start + 1)
            return atom
        self._take()
        if self._is_word("answer"):
            self._take()
            return Verdict(verb, self._entity("a variable or an identifier"))
        if verb is Verb.Warn and self._token.kind is TokenKind.End:
            return Verdict(verb)
        raise self._fail("`answer`" if verb is not Verb.Warn else "`answer` or the end")

    def atom(self) -> Atom:
        """Any condition."""
        if self._is_word("mentioned"):
            self._take()
            return self._mentioned()
        if self._is_word("answer"):
            self._take()
            return Answered(self._entity("a variable or an identifier"), self._confidence())
        left = self._term("a variable, an identifier, `mentioned` or `answer`")
        if self._token.kind is TokenKind.Operator:
            return Comparison(left, self._operator(), self._term("a variable or a value"))
        if isinstance(left, Constant):
            raise self._fail("a comparison after a value")
        if self._token.kind is TokenKind.Dot:
            return self._attribute(left)
        if self._is_word("a"):
            self._take()
            return Kind(left, self._name("a kind"))
        relation = self._name("a relation, `a`, `.` or a comparison")
        return Fact(left, relation, self._entity("a variable or an identifier"), self._confidence())

    def _attribute(self, entity: Variable | Entity) -> Attribute:
        self._take()
        attribute = self._name("an attribute")
        operator = self._operator()
        value = self._term("a variable, a number or text in quotes")
        if isinstance(value, Entity):
            self._next -= 1
            raise self._fail("a variable, a number or text in quotes")
        return Attribute(entity, attribute, operator, value)

    def _mentioned(self) -> Mentioned:
        entity = self._entity("a variable or an identifier")
        if not self._is_word("as"):
            return Mentioned(entity)
        self._take()
        if self._is_word("Any"):
            self._take()
            return Mentioned(entity, frozenset(Status))
        statuses = {self._status()}
        while self._is_word("or"):
            self._take()
            statuses.add(self._status())
        return Mentioned(entity, frozenset(statuses))

    def _status(self) -> Status:
        if self._token.kind is not TokenKind.Word or self._token.text not in Status.__members__:
            raise self._fail(f"one of {', '.join(Status)} or Any")
        return Status(self._take().text)

    def _confidence(self) -> int:
        if not self._is_word("with"):
            return 0
        self._take()
        if not self._is_word("confidence"):
            raise self._fail("`confidence`")
        self._take()
        if self._token.text != ">=":
            raise self._fail("`>=`: more confidence must never make a rule stop holding")
        self._take()
        try:
            return parse_thousandths(self._token.text)
        except ValueError:
            raise self._fail("a number from 0.001 to 1 with at most three decimals") from None
        finally:
            self._take()

    def _operator(self) -> Operator:
        if self._token.kind is not TokenKind.Operator:
            raise self._fail("one of = != < <= > >=")
        return Operator(self._take().text)

    def _name(self, expected: str) -> str:
        is_name = self._token.kind is TokenKind.Quoted or (self._token.kind is TokenKind.Word and self._token.text not in RESERVED)
        if not is_name:
            raise self._fail(expected)
        return self._take().text

    def _entity(self, expected: str) -> Variable | Entity:
        position = self._next
        term = self._term(expected)
        if isinstance(term, Constant):
            self._next = position
            raise self._fail(expected)
        return term

    def _term(self, expected: str) -> Term:
        token = self._token
        match token.kind:
            case TokenKind.Variable:
                term: Term = Variable(token.text)
            case TokenKind.Quoted:
                term = Entity(token.text)
            case TokenKind.Word if token.text not in RESERVED:
                term = Entity(token.text)
            case TokenKind.Number | TokenKind.Text:
                term = Constant(token.text, is_number=token.kind is TokenKind.Number)
            case _:
                raise self._fail(expected)
        self._take()
        return term

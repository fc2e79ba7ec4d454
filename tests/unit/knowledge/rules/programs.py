"""Random graphs and random programs, for hypothesis."""

from hypothesis import assume
from hypothesis import strategies as st

from llmos.errors import ConfigError
from llmos.knowledge.rules import parse_rules
from llmos.knowledge.rules.checks import check_alone
from llmos.knowledge.rules.strata import plan_rules
from tests.unit.knowledge.rules.worlds import World

_IDS = ["e:0", "e:1", "e:2", "e:3", "e:4"]
_STATED = ["r0", "r1"]
_DERIVED = ["d0", "d1", "d2"]
_VARIABLES = ["?x", "?y", "?z"]


@st.composite
def worlds(draw, confidences=(1000,)):
    pairs = st.tuples(
        st.sampled_from(_IDS), st.sampled_from([*_STATED, *_STATED, "d0"]), st.sampled_from(_IDS), st.sampled_from(confidences)
    )
    facts = draw(st.lists(pairs, min_size=6, max_size=16, unique_by=lambda fact: fact[:3]))
    ages = draw(st.lists(st.tuples(st.sampled_from(_IDS), st.just("age"), st.sampled_from("0123")), max_size=4, unique=True))
    # Every relation and attribute is there, so that no program is refused for a word.
    known = {fact[1] for fact in facts}
    facts += [("e:4", relation, "e:4", 1000) for relation in _STATED if relation not in known]
    return World({id: ("K0", "K1")[index % 2] for index, id in enumerate(_IDS)}, facts, ages or [("e:0", "age", "1")])


def _facts(relations):
    """Mostly over variables: an identifier makes a condition hold rarely."""
    term = st.sampled_from([*_VARIABLES, *_VARIABLES, *_VARIABLES, *_VARIABLES, "e:0", "e:1"])
    return st.builds("{} {} {}".format, term, st.sampled_from(relations), term)


_TESTS = st.one_of(
    st.builds("{} a {}".format, st.sampled_from(_VARIABLES), st.sampled_from(["K0", "K1"])),
    st.builds("{}.age {} {}".format, st.sampled_from(_VARIABLES), st.sampled_from(["=", ">=", "<", "!="]), st.integers(0, 3)),
    st.sampled_from(["?x.age = ?n", "?y.age = ?m", "?x.age >= ?m", "?n != ?m", "?y.age = ?n"]),
    st.builds("{} {} {}".format, st.sampled_from(_VARIABLES), st.sampled_from(["!=", "="]), st.sampled_from(_VARIABLES)),
)


@st.composite
def _documents(draw, name, relations, confidences):
    conditions = draw(st.lists(_facts(relations), min_size=1, max_size=3)) + draw(st.lists(_TESTS, max_size=1))
    bound = sorted({word for text in conditions for word in text.replace(".", " ").split() if word in _VARIABLES}) or ["e:0"]
    exceptions = draw(st.lists(st.one_of(_facts(relations), _TESTS), max_size=1))
    document = {
        "name": name,
        "if": conditions,
        "unless": exceptions,
        "then": f"{draw(st.sampled_from(bound))} {draw(st.sampled_from(_DERIVED))} {draw(st.sampled_from(bound))}",
        "because": "so",
        "confidence": {"times": draw(st.sampled_from(confidences)), "limit": draw(st.sampled_from(confidences))},
    }
    return document | ({"unknown": "TreatedAsFalse"} if exceptions else {})


@st.composite
def programs(draw, confidences=("1",)):
    """One rule begins with what is stated; the others may use everything."""
    documents = [draw(_documents("r0", _STATED, confidences))]
    for index in range(draw(st.integers(1, 4))):
        documents.append(draw(_documents(f"r{index + 1}", [*_STATED, *_DERIVED], confidences)))
    # What hypothesis draws need not make sense together: such rules are left out one by one.
    kept = []
    for rule in parse_rules(documents):
        try:
            if not check_alone([*kept, rule]):
                plan_rules([*kept, rule])
                kept.append(rule)
        except ConfigError:
            pass  # "not known" would go round in a circle
    assume(kept)
    return tuple(kept)

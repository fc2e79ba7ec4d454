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
    facts = draw(st.lists(pairs, min_size=2, max_size=9, unique_by=lambda fact: fact[:3]))
    ages = draw(st.lists(st.tuples(st.sampled_from(_IDS), st.just("age"), st.sampled_from("0123")), max_size=4, unique=True))
    # Every relation and attribute is there, so that no program is refused for a word.
    known = {fact[1] for fact in facts}
    facts += [("e:4", relation, "e:4", 1000) for relation in _STATED if relation not in known]
    return World({id: ("K0", "K1")[index % 2] for index, id in enumerate(_IDS)}, facts, ages or [("e:0", "age", "1")])


def _facts(relations):
    term = st.one_of(st.sampled_from(_VARIABLES), st.sampled_from(_VARIABLES), st.sampled_from(_IDS))
    return st.builds("{} {} {}".format, term, st.sampled_from(relations), term)


_CONDITIONS = st.one_of(
    _facts([*_STATED, *_DERIVED]),
    _facts([*_STATED, *_DERIVED]),
    st.builds("{} a {}".format, st.sampled_from(_VARIABLES), st.sampled_from(["K0", "K1"])),
    st.builds("{}.age {} {}".format, st.sampled_from(_VARIABLES), st.sampled_from(["=", ">=", "<", "!="]), st.integers(0, 3)),
    st.builds("{0}.age = ?n{0}".format, st.sampled_from(["?x", "?y"])).map(lambda text: text.replace("n?", "n")),
    st.builds("{} {} {}".format, st.sampled_from(_VARIABLES), st.sampled_from(["!=", "="]), st.sampled_from(_VARIABLES)),
)


@st.composite
def programs(draw, confidences=("1",)):
    documents = []
    for index in range(draw(st.integers(1, 5))):
        documents.append(
            {
                "name": f"r{index}",
                "if": draw(st.lists(_CONDITIONS, min_size=1, max_size=3)),
                "unless": draw(st.lists(_CONDITIONS, max_size=1)),
                "then": draw(_facts(_DERIVED)),
                "because": "so",
                "confidence": {"times": draw(st.sampled_from(confidences)), "limit": draw(st.sampled_from(confidences))},
            }
        )
        if documents[-1]["unless"]:
            documents[-1]["unknown"] = "TreatedAsFalse"
    rules = parse_rules(documents)
    assume(not check_alone(rules))
    try:
        plan_rules(rules)
    except ConfigError:
        assume(False)
    return rules

"""Rules in few words."""

import pytest

from llmos.knowledge.rules import parse_rules


@pytest.fixture
def rules():
    def make(*documents):
        return parse_rules([{"name": f"r{index}", "because": "so", **document} for index, document in enumerate(documents)])

    return make

"""What counts as a difference between a wanted and a live object."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos_operator.desired import differences, fingerprint


def differs(wanted: Any, live: Any) -> str | None:
    """The first difference."""
    return next(iter(differences(wanted, live)), None)


@pytest.mark.parametrize(
    ("wanted", "live"),
    [
        ({"memory": "1024Mi"}, {"memory": "1Gi"}),
        ({"cpu": "0.5"}, {"cpu": "500m"}),
        ({"cpu": 1}, {"cpu": "1000m"}),
        ({"size": "1e3"}, {"size": "1k"}),
        ({"a": []}, {}),
        ({"a": {}}, {}),
        ({"a": False, "b": 0, "c": ""}, {}),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}),
        ({"ports": [{"port": 80}]}, {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 31000}]}),
        ({"metadata": {"labels": {"a": "b"}}}, {"metadata": {"labels": {"a": "b", "other": "c"}}}),
    ],
)
def test_what_the_api_server_or_others_do_is_no_difference(wanted: Any, live: Any) -> None:
    assert differs(wanted, live) is None


@pytest.mark.parametrize(
    ("wanted", "live", "path"),
    [
        ({"memory": "1Gi"}, {"memory": "1G"}, ".memory"),
        ({"image": "a:1"}, {"image": "a:2"}, ".image"),
        ({"a": True}, {}, ".a"),
        ({"selector": {"a": "b"}}, {"selector": {"a": "b", "c": "d"}}, ".selector"),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "B", "value": "1"}]}, ".env[A]"),
        ({"command": ["a", "b"]}, {"command": ["a"]}, ".command"),
        ({"command": ["a", "b"]}, {"command": ["b", "a"]}, ".command[0]"),
        ({"spec": {"replicas": 3}}, {"spec": {"replicas": 1}}, ".spec.replicas"),
    ],
)
def test_a_difference_is_named_by_its_path(wanted: Any, live: Any, path: str) -> None:
    assert differs(wanted, live) == path


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(_json)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert differs(value, value) is None


def test_the_fingerprint_sees_a_dropped_field_and_not_the_replicas() -> None:
    body = {"metadata": {"name": "a"}, "spec": {"replicas": 2, "paused": True}}
    scaled = {**body, "spec": {"replicas": 5, "paused": True}}
    dropped = {**body, "spec": {"replicas": 2}}
    assert fingerprint(body) == fingerprint(scaled)
    assert fingerprint(body) != fingerprint(dropped)

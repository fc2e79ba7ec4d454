"""Canonical JSON, digests and the inputs hash."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.artifacts import canonical_json, digest_bytes, digest_file, digest_hex, inputs_hash, is_digest

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(VALUES)
def test_canonical_json_is_json_of_the_same_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


def test_the_form_is_fixed() -> None:
    assert canonical_json({"b": [1, True, None, "é中"], "a": {}}) == '{"a":{},"b":[1,true,null,"é中"]}'.encode()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"spec": {"rate": 0.1}}, r'\$\.spec\.rate is the float 0\.1; write decimals as strings, for example "0\.1"'),
        ({"a": [float("nan")]}, r"\$\.a\[0\] is the float nan"),
        ({1: "a"}, "keys must be strings"),
        ({"a": {1, 2}}, "set"),
        ({"a": b"x"}, "bytes"),
    ],
)
def test_what_has_no_canonical_form_is_refused_by_name(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        canonical_json(value)


def test_the_inputs_hash_is_that_of_the_contract() -> None:
    """Written out, so that nobody changes it by accident: every artifact ever pushed hangs on it."""
    parent = "sha256:" + "a" * 64
    text = '{"kind":"Model","parents":{"trainingJob":"' + parent + '"},"spec":{"task":"TextClassification"}}'
    expected = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert inputs_hash(kind="Model", spec={"task": "TextClassification"}, parents={"trainingJob": parent}) == expected


def test_kind_spec_and_parents_all_decide_the_inputs_hash() -> None:
    a, b = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    hashes = {
        inputs_hash(kind="Model", spec={}, parents={}),
        inputs_hash(kind="TrainingJob", spec={}, parents={}),
        inputs_hash(kind="Model", spec={"x": 1}, parents={}),
        inputs_hash(kind="Model", spec={"x": "1"}, parents={}),
        inputs_hash(kind="Model", spec={}, parents={"base": a}),
        inputs_hash(kind="Model", spec={}, parents={"base": b}),
        inputs_hash(kind="Model", spec={}, parents={"other": a}),
    }
    assert len(hashes) == 7


def test_a_parent_that_is_no_digest_is_refused() -> None:
    with pytest.raises(ValueError, match="parent 'base'"):
        inputs_hash(kind="Model", spec={}, parents={"base": "latest"})


def test_digests_of_bytes_and_files_agree(tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    (tmp_path / "file").write_bytes(content)
    assert digest_file(tmp_path / "file") == digest_bytes(content) == "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:" + "A" * 64, "sha256:" + "a" * 63, "sha512:" + "a" * 64, "sha256:" + "a" * 64 + "\n", None, 7]
)
def test_only_a_whole_sha256_is_a_digest(text: Any) -> None:
    assert not is_digest(text)
    with pytest.raises(ValueError, match="not a digest"):
        digest_hex(text)

"""Laws of the verifier: its fast check of canonical form accepts what RFC 8785 writes, and nothing else."""

import json
import math
from typing import Any

import orjson
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.domain.errors import LedgerCorrupt
from runtime.ledger.walk import _canonical_value as canonical_value

FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60).map(float)
WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.just('a":1.0,')
VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.lists(VALUES, max_size=3) | st.dictionaries(TEXT, VALUES, max_size=3)


@given(value=DOCUMENTS)
@example([1.0, 1e16, 1e-7, 0.1, 1e21, 123456789012345.67, 1234567890123456.5])
def test_what_rfc_8785_writes_is_accepted(value: Any) -> None:
    content = rfc8785.dumps(value)
    assert rfc8785.dumps(canonical_value(0, content)) == content


@given(value=DOCUMENTS, spelling=st.sampled_from(["orjson", "json", "unsorted", "spaced"]))
@example([1.0], "orjson")
@example([1e16, 5], "orjson")
@example({"a": -0.0}, "orjson")
@example({"\U0001f600": 1, "\uffff": 2}, "orjson")
def test_another_spelling_is_refused_unless_it_is_the_same(value: Any, spelling: str) -> None:
    content = {
        "orjson": lambda: orjson.dumps(value, option=orjson.OPT_SORT_KEYS),
        "json": lambda: json.dumps(value, separators=(",", ":"), sort_keys=True).encode(),
        "unsorted": lambda: orjson.dumps(value),
        "spaced": lambda: json.dumps(value, sort_keys=True).encode(),
    }[spelling]()
    if content == rfc8785.dumps(value):
        canonical_value(0, content)
        return
    with pytest.raises(LedgerCorrupt, match="not canonical"):
        canonical_value(0, content)


@pytest.mark.parametrize("content", [b"[NaN]", b"[Infinity]", b'["\\ud800"]', b"[01]", b"[1,]", b"", b"[" * 5000])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(LedgerCorrupt, match="ledger entry 7"):
        canonical_value(7, content)


def test_a_number_beyond_what_a_double_keeps_is_refused() -> None:
    assert math.isinf(float("1e400"))
    for content in (b"[1e400]", b"[9007199254740993]", b"[0.1000000000000000055511151231257827]"):
        with pytest.raises(LedgerCorrupt, match="not canonical"):
            canonical_value(0, content)

"""Laws of canonical JSON: the fast way writes what RFC 8785 defines, and reads what it wrote."""

import json
import math
import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.domain import canonical
from runtime.domain.base import rfc3339

ANY_BITS = st.binary(min_size=8, max_size=8).map(lambda bits: struct.unpack("<d", bits)[0])
FLOATS = (st.floats(-1e16, 1e16) | ANY_BITS | st.integers(-(2**60), 2**60).map(float)).filter(math.isfinite)
WHOLE = st.integers(-canonical.LARGEST_WHOLE, canonical.LARGEST_WHOLE)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["2026-03-02T09:30:10.5Z", '":1.5,', "null", "\\", '"', "\x7f\x1f\b\u2028", "1234567890123456789"]
)
KEYS = TEXT | st.sampled_from(["\U0001f600", "\uffff", "a", "b"])
VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)
DOCUMENTS = st.lists(VALUES, max_size=4) | st.dictionaries(KEYS, VALUES, max_size=4)


@given(value=DOCUMENTS)
@example([1e15, 1e16, 1e-7, 1e-3, 0.00099, -0.0, 5e-324, 1.7976931348623157e308])
@example({"\U0001f600": 1, "\uffff": 2})  # in UTF-16 the other way round than by code point
def test_the_fast_bytes_are_those_of_rfc_8785(value: Any) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(text=TEXT)
def test_a_text_alone_is_written_as_rfc_8785_writes_it(text: str) -> None:
    assert canonical.encode_text(text) == rfc8785.dumps(text)


@given(before=TEXT, after=TEXT)
def test_a_text_that_no_utf_8_holds_is_refused(before: str, after: str) -> None:
    with pytest.raises(ValueError):
        canonical.encode_text(f"{before}\ud800{after}")


@given(value=DOCUMENTS)
def test_what_was_encoded_is_read_back_to_what_encodes_the_same(value: Any) -> None:
    content = canonical.encode(value)
    again = canonical.decode(content)
    assert canonical.encode(again) == content
    assert again == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 2**53, -(2**53), b"bytes", "\ud800", {1: 2}, {1.5}, datetime.now(UTC)]
)
def test_what_rfc_8785_refuses_is_refused_wherever_it_stands(value: Any) -> None:
    for document in ([value], {"a": value}, {"a": [1, {"b": value}]}, [1.5, value]):
        with pytest.raises(ValueError):
            canonical.encode(document)


ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=30))])


@given(moment=st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=ZONES))  # noqa: DTZ001 - zones follow
@example(moment=datetime(999, 1, 1, tzinfo=UTC))
def test_a_time_is_27_characters_that_sort_as_times_and_come_back(moment: datetime) -> None:
    text = rfc3339(moment)
    assert len(text) == 27
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == moment
    assert rfc3339(moment + timedelta(microseconds=1)) > text

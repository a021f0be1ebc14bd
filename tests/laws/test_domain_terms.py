"""Laws of a spec's words: what is written back is read as the same value, and nonsense is refused with an example."""

from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from runtime.domain import canonical
from runtime.domain.ids import derived_id, is_model_name
from runtime.domain.spec import Spec
from runtime.domain.terms import Count, Duration, SearchTerm, Share
from tests.unit.domain.lives import a_spec

Value = TypeVar("Value")
DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)
SHARE: TypeAdapter[float] = TypeAdapter(Share)
COUNT: TypeAdapter[int] = TypeAdapter(Count)
TERM = TypeAdapter(SearchTerm)
WHOLE = st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds))
DURATIONS = WHOLE | st.timedeltas(timedelta(0), timedelta(days=36_525))
NUMBERS = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab\u20ac", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def read(adapter: TypeAdapter[Value], written: Any) -> Value | str:
    """The value, or the text of its refusal."""
    try:
        return adapter.validate_python(written)
    except ValidationError as error:
        return str(error)


@given(span=DURATIONS)
def test_a_duration_written_back_is_the_same_duration(span: timedelta) -> None:
    assert DURATION.validate_python(DURATION.dump_python(span, mode="json")) == span


@given(text=st.text(max_size=6))
def test_any_text_is_a_duration_or_told_what_one_looks_like(text: str) -> None:
    outcome = read(DURATION, text)
    assert "expected a duration" in outcome if isinstance(outcome, str) else outcome >= timedelta(0)


@given(share=st.floats(0, 1))
def test_a_share_is_itself_and_its_percentage(share: float) -> None:
    assert SHARE.validate_python(share) == share
    assert SHARE.validate_python(f"{share * 100:.9f}%") == pytest.approx(share, abs=1e-9)


@given(value=st.floats(allow_nan=True).filter(lambda value: not 0 <= value <= 1) | st.booleans() | st.text(max_size=4))
def test_nothing_else_is_a_share(value: Any) -> None:
    outcome = read(SHARE, value)
    if isinstance(outcome, str):
        assert "expected a share such as 10% or 0.1, between 0 and 1" in outcome
    else:
        assert isinstance(value, str), "a percentage in words"
        assert 0 <= outcome <= 1


@given(count=st.integers(0, 2**40))
def test_a_count_may_say_what_it_counts(count: int) -> None:
    assert [COUNT.validate_python(f"{count}{unit}") for unit in ("", " decisions", " rows")] == [count] * 3
    assert COUNT.validate_python(count) == count


@given(low=NUMBERS, high=NUMBERS, name=st.sampled_from(["uniform", "loguniform", "randint"]))
def test_a_range_is_read_whole_or_refused(low: float, high: float, name: str) -> None:
    term = read(TERM, f"{name}({low!r}, {high!r})")
    if isinstance(term, str):
        assert low >= high or (name == "loguniform" and low <= 0)
        assert "expected a lower bound" in term
    else:
        assert (term.distribution.value, term.bounds) == (name, (low, high))
        assert SearchTerm.model_validate(term.as_document()) == term


SEARCHES = st.dictionaries(st.sampled_from("abc"), NUMBERS)


@given(every=DURATIONS.filter(bool), snooze=DURATIONS, worse_by=st.floats(0, 10), search=SEARCHES)
def test_a_spec_written_back_is_the_same_spec(
    every: timedelta, snooze: timedelta, worse_by: float, search: dict[str, float]
) -> None:
    spec = a_spec(
        monitor={"every": every},
        retrain={"snooze": snooze},
        guardrail={"worse_by": worse_by},
        train={"estimator": "E", "search": search},
    )
    again = Spec.model_validate(canonical.decode(canonical.encode(spec.as_document())))
    assert (again, again.digest, again.policy_digest) == (spec, spec.digest, spec.policy_digest)


@given(value=st.dictionaries(st.text("ab\u20ac", max_size=2), JSON, max_size=4))
def test_canonical_bytes_are_read_back_and_written_the_same(value: dict[str, Any]) -> None:
    encoded = canonical.encode(value)
    assert canonical.decode(encoded) == value
    assert canonical.encode(canonical.decode(encoded)) == encoded


@given(one=st.lists(st.text("ab", max_size=2), max_size=3), other=st.lists(st.text("ab", max_size=2), max_size=3))
def test_derived_ids_are_the_same_for_the_same_parts_alone(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == ((one or [""]) == (other or [""]))


@example(text="a\n")
@given(text=st.text(max_size=5))
def test_a_model_name_fits_into_a_path(text: str) -> None:
    if is_model_name(text):
        assert text.isascii()
        assert not set(text) & set("/ %?#\n")

"""Overrides fire on a batch where they fire on its rows asked one by one, and flags of a batch come back row by row."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from runtime.domain.flags import by_row, on_rows
from runtime.domain.overrides import Override
from runtime.domain.schema import Field, FieldKind, Schema, Task, outputs_of
from runtime.domain.seen import Bounds, Seen
from runtime.policy.overrides import Watch, deciding
from runtime.serving.protocols.columns import Table
from runtime.serving.protocols.request import InferRequest

NUMBERS, TEXTS = ("a", "b", "never"), ("dest", "free")
KINDS = {**dict.fromkeys(NUMBERS, FieldKind.NUMBER), **dict.fromkeys(TEXTS, FieldKind.TEXT)}
SEEN = Seen(
    numbers={"a": Bounds(low=-1, high=1), "b": Bounds(low=5, high=5)},
    categories={"dest": {"ORD": 90, "SFO": 4}},
    predictions=Bounds(low=0.2, high=0.8),
)
RULES: list[dict[str, Any]] = [
    {"when": "out_of_range"},
    {"when": "out_of_range", "features": ["a"], "margin": 0.5},
    {"when": "unseen_category"},
    {"when": "unseen_category", "features": ["dest"], "seen_at_least": 5},
    {"when": "missing"},
    {"when": "missing", "features": ["b", "dest"]},
    {"when": "low_confidence", "below": 0.7},
    {"when": "outside_trained_predictions", "margin": 0.1},
]
THENS = ["flag", "refuse", {"value": 0.5}, {"fallback": "other"}]


def watch(rules: list[dict[str, Any]]) -> Watch:
    fields = tuple(Field(name=name, kind=kind) for name, kind in KINDS.items())
    schema = Schema(inputs=fields, outputs=outputs_of(Task.CLASSIFICATION))
    return Watch(TypeAdapter(tuple[Override, ...]).validate_python(rules), schema, SEEN)


def asked(rows: list[tuple[Any, ...]]) -> InferRequest:
    schema = Schema(
        inputs=tuple(Field(name=name, kind=kind) for name, kind in KINDS.items()),
        outputs=outputs_of(Task.CLASSIFICATION),
    )
    return InferRequest(*Table(schema).rows([list(row) for row in rows], "rows"))


NUMBER = st.none() | st.floats(-3, 6) | st.sampled_from([-1.0, 1.0, 5.0, -2.0, 2.0])
TEXT = st.none() | st.sampled_from(["ORD", "SFO", "JFK", ""])
ROW = st.tuples(NUMBER, NUMBER, NUMBER, TEXT, TEXT)
OUTPUT = st.floats(0, 1) | st.sampled_from([math.nan, 0.7, 0.3, 0.2, 0.8])
SOME_RULES = st.lists(
    st.tuples(st.sampled_from(RULES), st.sampled_from(THENS)).map(lambda pair: {**pair[0], "then": pair[1]}),
    min_size=1,
    max_size=7,
)


@settings(max_examples=150, deadline=None)
@given(rules=SOME_RULES, rows=st.lists(st.tuples(ROW, OUTPUT), min_size=2, max_size=8))
def test_a_batch_is_judged_as_its_rows_are_one_by_one(rules: list[dict[str, Any]], rows: list[Any]) -> None:
    tried = watch(rules)
    together = {
        (tried.rules.index(fired.rule), fired.feature, row)
        for fired in tried.fired(asked([inputs for inputs, _ in rows]), [output for _, output in rows])
        for row in fired.rows
    }
    alone = {
        (tried.rules.index(fired.rule), fired.feature, at)
        for at, (inputs, output) in enumerate(rows)
        for fired in tried.fired(asked([inputs]), [output])
    }
    assert together == alone


@settings(max_examples=100, deadline=None)
@given(rules=SOME_RULES, rows=st.lists(st.tuples(ROW, OUTPUT), min_size=1, max_size=6))
def test_of_the_rules_that_fire_on_a_row_none_is_stricter_than_the_one_that_decides(
    rules: list[dict[str, Any]], rows: list[Any]
) -> None:
    fired = watch(rules).fired(asked([inputs for inputs, _ in rows]), [output for _, output in rows])
    decided = deciding(fired)
    assert decided.keys() == {row for each in fired for row in each.rows}
    for each in fired:
        assert all(each.rule.action <= decided[row].rule.action for row in each.rows)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), of=st.integers(1, 30), word=st.text(min_size=1).filter(lambda word: not word.startswith("@")))
def test_a_flag_of_some_rows_is_found_on_these_rows_alone(data: st.DataObject, of: int, word: str) -> None:
    rows = sorted(data.draw(st.sets(st.integers(0, of - 1), min_size=1)))
    found = by_row([on_rows(word, rows, of)], of)
    assert [at for at, flags in enumerate(found) if flags] == rows
    assert {flag for flags in found for flag in flags} == {word}


@settings(max_examples=200, deadline=None)
@given(flags=st.lists(st.text(alphabet="@0123456789-, ab")), rows=st.integers(1, 5))
def test_any_text_can_be_a_flag_and_none_is_lost_unless_it_names_no_row(flags: list[str], rows: int) -> None:
    found = by_row(flags, rows)
    assert len(found) == rows
    whole = [flag for flag in flags if not flag.startswith("@")]
    assert all(
        [flag for flag in row if flag in whole].count(flag) >= whole.count(flag) for row in found for flag in whole
    )

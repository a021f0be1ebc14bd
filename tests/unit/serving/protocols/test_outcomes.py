"""The truth of a classification is a class, and nothing else is taken for one."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest

from examples.classes.data import cells, wines
from runtime.domain.errors import RequestError
from runtime.domain.ids import new_id
from runtime.domain.schema import Field, FieldKind, Schema, Task, outputs_of
from runtime.pipeline.asking import Asking
from runtime.serving.protocols.outcomes import read, truth_of
from tests.unit.pipeline.test_classification import spec_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INPUTS = (Field(name="a", kind=FieldKind.NUMBER),)


def schema(*classes: str) -> Schema:
    named = classes or None
    return Schema(inputs=INPUTS, outputs=outputs_of(Task.CLASSIFICATION, named), classes=named)


@pytest.mark.parametrize(
    ("classes", "value", "number"),
    [
        ((), 1, 1.0),
        ((), 0.0, 0.0),
        (("no", "yes"), "yes", 1.0),
        (("no", "yes"), 1, 1.0),
        (("a", "b", "c"), "c", 2.0),
        (("1", "2", "3"), 1, 0.0),
        (("1", "2", "3"), "3", 2.0),
        (("-1", "1"), -1.0, 0.0),
    ],
)
def test_a_class_is_told_by_name_or_number(classes: tuple[str, ...], value: Any, number: float) -> None:
    assert truth_of(schema(*classes))(value, "actual") == number


@pytest.mark.parametrize(
    ("classes", "value", "expected"),
    [
        ((), "yes", "a class's number from 0 to 1"),
        ((), 2, "a class's number from 0 to 1"),
        ((), float("nan"), "a class's number from 0 to 1"),
        (("no", "yes"), True, "'no', 'yes', or a class's number from 0 to 1"),
        (("1", "2", "3"), 0, "1 or 2 or 3"),
    ],
)
def test_what_is_no_class_is_told_which_there_are(classes: tuple[str, ...], value: Any, expected: str) -> None:
    with pytest.raises(RequestError) as refused:
        truth_of(schema(*classes))(value, "actual")
    assert refused.value.expected == expected


def test_a_regressions_truth_is_any_number_and_so_is_that_of_a_model_nobody_serves() -> None:
    for known in (None, Schema(inputs=INPUTS, outputs=outputs_of(Task.REGRESSION))):
        assert truth_of(known)(41.5, "actual") == 41.5


@pytest.mark.parametrize("name", ["cells", "wines"])
def test_a_replay_tells_classes_by_name(name: str) -> None:
    spec, frame = spec_of(name), {"cells": cells, "wines": wines}[name]().head(30)
    request = Asking(spec, frame).outcomes("m", new_id(), np.arange(30))
    named = schema(*spec.classes or ())
    (found,) = read(request.body, model="m", caller="ops", at=NOW, truth=truth_of(named))
    target = frame[spec.data.target].tolist()
    assert [(spec.classes or ())[int(each)] for each in found.actuals] == target
    assert orjson.loads(request.body)["actuals"] == target


def test_a_replay_of_classes_that_are_numbers_tells_the_names() -> None:
    spec = spec_of("wines", ("classes: [a, b, c]", "classes: [1, 2, 3]"))
    frame = wines().head(30)
    frame["grower"] = frame["grower"].map({"a": 1, "b": 2, "c": 3})
    request = Asking(spec, frame).outcomes("m", new_id(), np.arange(30))
    (found,) = read(request.body, model="m", caller="ops", at=NOW, truth=truth_of(schema("1", "2", "3")))
    assert found.actuals == (frame["grower"] - 1).tolist()

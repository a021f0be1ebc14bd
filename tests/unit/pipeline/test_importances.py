"""How much a version's answers hang on each column, as its package says."""

from typing import Any

import numpy as np
import pytest

from runtime.domain.schema import Field, FieldKind, Schema, Task, outputs_of
from runtime.flavors import Columns, Floats
from runtime.pipeline.importances import ROWS, importances
from runtime.pipeline.package import baseline_document
from tests.unit.pipeline.flights import trained

KINDS = {"far": FieldKind.NUMBER, "near": FieldKind.NUMBER, "idle": FieldKind.NUMBER, "sky": FieldKind.TEXT}


class Answering:
    """Answers by a formula, and counts the rows it was asked."""

    def __init__(self, classes: tuple[str, ...] | None = None) -> None:
        inputs = tuple(Field(name=name, kind=kind) for name, kind in KINDS.items())
        task = Task.REGRESSION if classes is None else Task.CLASSIFICATION
        self.schema = Schema(inputs=inputs, outputs=outputs_of(task, classes), classes=classes)
        self.asked = 0

    def predict(self, columns: Columns) -> Floats:
        self.asked += len(columns["far"])
        answers = 3.0 * columns["far"] + columns["near"] + np.where(columns["sky"] == "clear", 0.0, 0.5)
        return np.clip(np.rint(answers), 0, 2) if self.schema.gives_class else answers


def columns(rows: int = 2000) -> dict[str, Any]:
    chance = np.random.default_rng(5)
    return {
        "far": chance.normal(0, 1, rows),
        "near": chance.normal(0, 1, rows),
        "idle": chance.normal(0, 1, rows),
        "sky": chance.choice(["clear", "cloudy"], rows).astype(object),
    }


def test_a_column_matters_as_much_as_it_moves_the_answers() -> None:
    found = importances(Answering(), columns(), seed=1)
    assert sum(found.values()) == pytest.approx(1)
    assert found["idle"] == 0
    assert found["far"] / found["near"] == pytest.approx(3, rel=0.15)
    assert found["far"] > found["near"] > found["sky"] > found["idle"]


def test_of_labels_it_is_how_many_change() -> None:
    found = importances(Answering(("a", "b", "c")), columns(), seed=1)
    assert found["far"] == max(found.values())
    assert found["idle"] == 0


def test_the_same_seed_gives_the_same_and_few_rows_are_asked() -> None:
    version = Answering()
    assert importances(version, columns(), seed=7) == importances(version, columns(), seed=7)
    assert version.asked == 2 * ROWS * (1 + len(KINDS))


@pytest.mark.parametrize("change", [{"far": np.full(2000, np.nan)}, {"far": np.full(2000, np.inf)}])
def test_answers_that_are_no_number_take_no_part(change: dict[str, Any]) -> None:
    assert importances(Answering(), columns() | change, seed=1) == {}


def test_without_rows_or_where_nothing_moves_the_answers_nothing_is_said() -> None:
    assert importances(Answering(), columns(0), seed=1) == {}
    still = {name: values[:1].repeat(50) for name, values in columns().items()}
    assert importances(Answering(), still, seed=1) == {}


def test_a_package_says_how_much_each_of_its_columns_matters() -> None:
    model = trained()
    found = baseline_document(model)["importances"]
    assert set(found) == {field.name for field in model.predictor.schema.inputs}
    assert sum(found.values()) == pytest.approx(1)
    unused = set(found) - set(model.predictor.used)
    assert all(found[name] == 0 for name in unused)

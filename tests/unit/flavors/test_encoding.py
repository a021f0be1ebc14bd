"""Named columns become one matrix, the same way at training and at serving."""

import numpy as np
import pytest

from runtime.domain.errors import SchemaMismatch
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.flavors import Columns, Encoding

SCHEMA = Schema(
    inputs=(Field(name="hour", kind=FieldKind.NUMBER), Field(name="dest", kind=FieldKind.TEXT)),
    outputs=(Field(name="prediction", kind=FieldKind.NUMBER),),
)


def of(hour: list[float], dest: list[str | None]) -> Columns:
    return {"hour": np.array(hour, dtype=np.float64), "dest": np.array(dest, dtype=object)}


TRAINING = of([6.0, np.nan, 22.0], ["SFO", "LAX", None])


def test_categories_are_numbered_in_their_sorted_order() -> None:
    encoding = Encoding.learn(TRAINING, SCHEMA)
    assert encoding.columns == ("hour", "dest")
    assert encoding.categories == {"dest": ("LAX", "SFO")}
    matrix = encoding.matrix(TRAINING)
    assert np.array_equal(matrix, np.array([[6, 1], [np.nan, 0], [22, np.nan]]), equal_nan=True)
    assert (str(matrix.dtype), matrix.flags.c_contiguous) == ("float64", True)


def test_the_order_of_training_rows_changes_nothing() -> None:
    dests: list[str | None] = [f"{letter}XX" for letter in "QWERTZUIOP"]
    hours = [7.0] * len(dests)
    encoding = Encoding.learn(of(hours, dests), SCHEMA)
    assert encoding == Encoding.learn(of(hours, dests[::-1]), SCHEMA)
    assert list(encoding.categories["dest"]) == [f"{letter}XX" for letter in "EIOPQRTUWZ"]


def test_an_unseen_category_is_as_a_missing_one() -> None:
    matrix = Encoding.learn(TRAINING, SCHEMA).matrix(of([1.0, 2.0, 3.0], ["JFK", None, "SFO"]))
    assert np.array_equal(matrix[:, 1], np.array([np.nan, np.nan, 1]), equal_nan=True)


@pytest.mark.parametrize(
    ("training", "left"),
    [(of([np.nan, np.nan], ["LAX", "SFO"]), ("dest",)), (of([1.0, 2.0], [None, None]), ("hour",))],
    ids=["numbers", "texts"],
)
def test_a_column_without_any_value_is_left_out(training: Columns, left: tuple[str, ...]) -> None:
    encoding = Encoding.learn(training, SCHEMA)
    assert encoding.columns == left
    assert encoding.matrix(of([5.0], ["LAX"])).shape == (1, 1)


def test_a_column_that_was_left_out_need_not_be_given() -> None:
    encoding = Encoding.learn(of([np.nan, np.nan], ["LAX", "SFO"]), SCHEMA)
    assert encoding.matrix({"dest": np.array(["SFO"], dtype=object)}).tolist() == [[1.0]]


def test_a_missing_column_is_named() -> None:
    encoding = Encoding.learn(TRAINING, SCHEMA)
    with pytest.raises(SchemaMismatch, match="dest: got nothing; expected a column 'dest'"):
        encoding.matrix({"hour": np.array([1.0])})
    with pytest.raises(SchemaMismatch, match="expected a column 'hour'"):
        Encoding.learn({"dest": np.array(["LAX"], dtype=object)}, SCHEMA)


def test_a_column_of_another_length_is_named() -> None:
    with pytest.raises(SchemaMismatch, match="dest: got 1 rows; expected 2 rows, as in 'hour'"):
        Encoding.learn(TRAINING, SCHEMA).matrix(of([1.0, 2.0], ["LAX"]))


def test_an_encoding_is_read_back_from_its_document() -> None:
    encoding = Encoding.learn(TRAINING, SCHEMA)
    assert Encoding.model_validate(encoding.as_document()) == encoding

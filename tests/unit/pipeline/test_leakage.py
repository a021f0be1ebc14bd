"""A feature that knows the answer is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.domain.errors import DataError
from runtime.pipeline.checks import canonical, layout_of
from runtime.pipeline.grouping import Group, Window, Work, process_group
from runtime.pipeline.leakage import check_leakage
from runtime.storage.objects import ObjectStore
from tests.unit.pipeline.flights import SPEC, a_spec, arrow, frame

BINARY: dict[str, Any] = {
    "task": "classification",
    "gates": [{"round_trip": True}],
    "train": SPEC.as_document()["train"] | {"metric": "log_loss", "estimator": "LogisticRegression"},
}


def checked(given: Any, limit: float = 0.999, **changes: Any) -> None:
    spec = a_spec(**changes)
    layout = layout_of(spec, arrow(given).schema)
    check_leakage("m", canonical(arrow(given), layout), layout, limit)


def test_a_feature_that_is_the_target_in_other_units_is_refused() -> None:
    given = frame(200)
    given["hour"] = np.exp(given["air_time"] / 60)
    with pytest.raises(DataError, match="feature 'hour' ranks the rows as the target 'air_time' does"):
        checked(given)
    given["hour"] = -given["air_time"]
    with pytest.raises(DataError, match="it knows the answer"):
        checked(given)


def test_an_honest_feature_passes_and_few_rows_prove_nothing() -> None:
    checked(frame(200))
    few = frame(30)
    few["hour"] = few["air_time"]
    checked(few)


def test_a_feature_that_separates_two_classes_wholly_is_refused() -> None:
    given = frame(200)
    late = given["air_time"] > given["air_time"].median()
    given["hour"] = np.where(late, 1.0, 0.0) + np.random.default_rng(0).random(200) / 2
    given["air_time"] = late.astype(float)
    with pytest.raises(DataError, match="'hour'"):
        checked(given, **BINARY)


def test_a_text_that_spells_the_target_or_stands_for_it_is_refused() -> None:
    given = frame(200)
    given["dest"] = given["air_time"].map(lambda minutes: f"{minutes:.6f}")
    with pytest.raises(DataError, match="feature 'dest' ranks the rows as the target 'air_time' does"):
        checked(given)
    given["dest"] = (given["air_time"] // 10).map(lambda tens: f"about {tens:.0f}0")
    given["air_time"] = given["air_time"] // 10
    with pytest.raises(DataError, match=r"feature 'dest' .* it knows the answer"):
        checked(given)


def test_a_text_that_stands_for_a_class_is_refused_and_one_that_hints_at_it_passes() -> None:
    given = frame(200)
    late = given["air_time"] > given["air_time"].median()
    given["air_time"], chance = late.astype(float), np.random.default_rng(1)
    given["dest"] = np.where(late, "settled", "open")
    with pytest.raises(DataError, match="'dest'"):
        checked(given, **BINARY)
    hints = late ^ (chance.random(200) < 0.1)
    checked(given.assign(dest=np.where(hints, "settled", "open")), **BINARY)


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
def test_a_text_that_most_rows_have_alike_says_nothing_of_them(share: float) -> None:
    """Without a row itself, the mean of its text's rows falls as the row's own target rises."""
    chance = np.random.default_rng(2)
    given = frame(200).assign(dest=np.where(chance.random(200) < share, "usual", "other"))
    checked(given)
    given["air_time"] = (given["air_time"] > given["air_time"].median()).astype(float)
    checked(given, **BINARY)


def test_texts_that_stand_once_say_nothing_of_each_other() -> None:
    checked(frame(200).assign(dest=[f"flight {at}" for at in range(200)]))


def test_a_partition_with_a_leak_is_skipped_unless_the_spec_allows_it(tmp_path: Path) -> None:
    given = frame(200)
    given["hour"] = given["air_time"]
    reasons = []
    for leakage in (0.9999, "allowed"):
        spec = a_spec(data=SPEC.as_document()["data"] | {"leakage": leakage})
        work = Work(spec, layout_of(spec, arrow(given).schema), Window(None, None), ObjectStore.open(str(tmp_path)))
        reasons.append(process_group(arrow(given), Group("m", {"carrier": "UA"}, 200), work)["reason"])
    assert "knows the answer" in reasons[0]
    assert reasons[1] is None

"""Rows are parted as the spec says, and nothing that belongs together stands on both sides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runtime.domain.errors import DataError, SpecError
from runtime.domain.load import parse_spec
from runtime.domain.spec import Spec
from runtime.pipeline.plan import Plan
from runtime.pipeline.rows import Rows
from runtime.pipeline.splits import check_duplicates
from runtime.pipeline.train import cross_validate, folds_of
from tests.unit.domain.lives import MONDAY
from tests.unit.pipeline.flights import SPEC, a_spec, frame, fresh, layout, rows_of


def split_by(split: Any, **data: Any) -> Spec:
    return a_spec(data=SPEC.as_document()["data"] | {"split": split, **data})


BY_ORIGIN, BY_CHANCE = split_by({"grouped": "origin"}), split_by({"random": 7})


def parted(spec: Spec, given: pd.DataFrame) -> tuple[Rows, Rows]:
    rows, at = Plan.first(spec).arrange("m", rows_of(given, spec))
    return rows.part(0, at), rows.part(at, len(rows))


def flights(origins: int, rows: int = 200) -> pd.DataFrame:
    return frame(rows).assign(origin=[f"O{at * 37 % origins:02}" for at in range(rows)])


def test_no_value_of_a_grouped_split_is_on_both_sides_of_the_holdout_or_of_a_fold() -> None:
    training, judging = parted(BY_ORIGIN, flights(20))
    assert not set(training.slices["origin"]) & set(judging.slices["origin"])
    assert len(judging) == pytest.approx(40, abs=5)
    folds = Plan.first(BY_ORIGIN).cut(training, folds_of(len(training), 3))
    assert len(folds) == 3
    for end, stop in folds:
        values = training.slices["origin"]
        assert not set(values[:end]) & set(values[end:stop])


def test_no_row_is_lost_and_the_same_seed_deals_the_same() -> None:
    for spec in (BY_ORIGIN, BY_CHANCE):
        training, judging = parted(spec, flights(20))
        assert sorted([*training.time, *judging.time]) == rows_of(flights(20), spec).time.tolist()
        again = parted(spec, flights(20).sample(frac=1, random_state=3))
        assert again[1].time.tolist() == judging.time.tolist()
    other = split_by({"random": 8})
    assert parted(other, flights(20))[1].time.tolist() != parted(BY_CHANCE, flights(20))[1].time.tolist()


def test_rows_without_a_value_stand_alone() -> None:
    given = flights(4)
    given.loc[given.index % 2 == 0, "origin"] = None
    training, judging = parted(BY_ORIGIN, given)
    assert None in training.slices["origin"].tolist()
    assert not set(training.slices["origin"]) & set(judging.slices["origin"]) - {None}


def test_a_value_that_is_everywhere_is_refused_by_its_column() -> None:
    with pytest.raises(DataError, match="origin: all 200 rows have one value, and are not parted by it"):
        parted(BY_ORIGIN, flights(1))
    with pytest.raises(DataError, match="m: 3 of 60 rows are left to train on, fewer than the 8 required"):
        parted(BY_ORIGIN, frame(60).assign(origin=["A"] * 3 + ["B"] * 57))


def test_rows_that_are_equal_in_every_column_stay_on_one_side_of_chance() -> None:
    given = pd.concat([frame(100)] * 2, ignore_index=True)
    training, judging = parted(BY_CHANCE, given)
    assert len(judging) == pytest.approx(40, abs=1)
    assert not set(training.time) & set(judging.time), "of a hundred pairs none is torn"


def test_every_class_has_its_share_on_both_sides() -> None:
    given = frame(500).assign(air_time=(np.arange(500) % 10 == 0).astype(float))
    binary = a_spec(
        data=SPEC.as_document()["data"] | {"split": {"random": 1}},
        task="classification",
        gates=[{"round_trip": True}],
        train={"estimator": "LogisticRegression", "metric": "log_loss"},
    )
    training, judging = parted(binary, given)
    assert int(judging.target.sum()) == 10
    assert int(training.target.sum()) == 40


def test_a_moment_is_never_cut_in_the_order_of_time() -> None:
    given = frame(200)
    given["scheduled"] = [MONDAY + timedelta(days=at // 30) for at in range(200)]
    training, judging = parted(SPEC, given)
    assert training.time.max() < judging.time.min()
    assert len(judging) == 50, "160 is nearest to 150"
    for end, _ in Plan.first(SPEC).cut(training, folds_of(len(training), 3)):
        assert training.time[end - 1] < training.time[end]


def test_rows_of_one_moment_alone_are_parted_anywhere() -> None:
    training, judging = parted(SPEC, frame(100).assign(scheduled=MONDAY))
    assert (len(training), len(judging)) == (80, 20)


def test_copies_with_another_time_are_counted_and_refused_above_the_limit() -> None:
    given = frame(100)
    copies = given.assign(scheduled=given["scheduled"] + timedelta(days=30)).head(15)
    rows = rows_of(pd.concat([given, copies]))
    training, judging = rows.part(0, 90), rows.part(90, 115)
    check_duplicates(SPEC, "m", training, judging)
    check_duplicates(split_by("time", duplicates=0.6), "m", training, judging)
    reason = r"m: 15 of 25 rows that judge equal a row that trains in 'air_time' and every feature, above 10.00%"
    with pytest.raises(DataError, match=reason):
        check_duplicates(split_by("time", duplicates=0.1), "m", training, judging)


@pytest.mark.parametrize("spec", [BY_ORIGIN, BY_CHANCE], ids=["grouped", "random"])
def test_a_model_is_trained_and_judged_by_its_split(spec: Spec) -> None:
    made = fresh(spec, rows_of(flights(20), spec))
    again = fresh(spec, rows_of(flights(20), spec))
    assert made.artifact == again.artifact
    rows, predictions = made.honest
    assert len(rows) == len(predictions) > 100
    assert np.abs(predictions - rows.target).mean() < 20
    candidate = cross_validate(spec, layout(spec).schema, made.window.part(0, 150), made.parameters, Plan.first(spec))
    assert np.isfinite(candidate.score)


@pytest.mark.parametrize(
    ("changes", "path", "expected"),
    [
        ({"split": "by chance"}, "data.split", "time, {random: SEED} or {grouped: COLUMN}"),
        ({"split": {"random": -1}}, "data.split.random", "greater than or equal to 0"),
        ({"split": {"grouped": "scheduled"}}, "data.split.grouped", "neither the time nor the target"),
        ({"split": {"grouped": "carrier"}}, "data.split.grouped", "several values in a partition"),
    ],
)
def test_a_split_that_cannot_be_is_named(changes: dict[str, Any], path: str, expected: str) -> None:
    import yaml

    document = SPEC.as_document()
    document["data"] |= changes
    with pytest.raises(SpecError) as refused:
        parse_spec(yaml.safe_dump(document))
    assert refused.value.path == path
    assert expected in refused.value.expected


def test_alternating_days_go_with_the_order_of_time_alone() -> None:
    import yaml

    document = BY_CHANCE.as_document() | {"retrain": {"holdout": {"every": 2, "of_last": "10d"}}}
    with pytest.raises(SpecError, match="none with a split that does not go by time"):
        parse_spec(yaml.safe_dump(document))

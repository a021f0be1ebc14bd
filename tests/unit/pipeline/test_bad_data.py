"""What is wrong with data is said by model, partition and column, and stops no other model's data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pytest

from runtime.domain.errors import DataError, MissingColumn
from runtime.domain.events import PartitionSkipped
from runtime.domain.spec import Spec
from runtime.pipeline.checks import canonical, layout_of
from runtime.pipeline.dataset import PreparedDataset
from runtime.pipeline.evaluate import gather
from runtime.pipeline.framed import framed, process_here
from runtime.pipeline.grouping import Window
from runtime.pipeline.joining import known_of
from runtime.pipeline.plan import Plan
from runtime.pipeline.prepare import gathered
from runtime.pipeline.rows import Rows
from runtime.pipeline.streamed import Wanted
from runtime.pipeline.train import train_model
from runtime.storage.objects import ObjectStore
from tests.unit.domain.lives import MODEL, MONDAY
from tests.unit.pipeline.flights import PARAMETERS, SPEC, a_spec, arrow, frame, fresh, rows_of

SOURCE = "tests.unit.pipeline.test_bad_data:given"
GIVEN: dict[str, Any] = {}
"""What the source gives: a frame, or a function that is called."""


def given() -> Any:
    found = GIVEN["frame"]
    return found() if callable(found) else found


def odd_hours(_: Any) -> bool:
    raise ValueError("no clock here")


ODD = pandera.DataFrameSchema({"hour": pandera.Column(checks=pandera.Check(odd_hours), nullable=True)})


def two_carriers(**columns: Any) -> pd.DataFrame:
    """Sixty flights of UA and as many of AA; of UA these columns instead."""
    return pd.concat([frame(60).assign(**columns), frame(60, carrier="AA")], ignore_index=True)


def spec_of(data: dict[str, Any] | None = None, **changes: Any) -> Spec:
    return a_spec(data=SPEC.as_document()["data"] | {"source": SOURCE} | (data or {}), **changes)


def prepared(
    frame_: pd.DataFrame | Callable[[], Any], folder: Path, spec: Spec | None = None, as_of: datetime | None = None
) -> PreparedDataset:
    GIVEN["frame"] = frame_
    spec, store = spec or spec_of(), ObjectStore.open(str(folder))
    found = framed(spec, Wanted(1, None), Window(None, as_of), known_of(spec), store)
    processed = process_here(found, {group.model for group in found.groups})
    return gathered(spec, found.work.layout, processed, found.skipped, store)


def only_ua_is_skipped(dataset: PreparedDataset) -> str:
    """The reason, which is of partition UA alone."""
    assert [partition.model for partition in dataset.partitions] == ["flight-time-AA"]
    (skipped,) = dataset.skipped
    assert skipped == PartitionSkipped(spec=SPEC.name, partition={"carrier": "UA"}, reason=skipped.reason)
    return skipped.reason


def test_a_renamed_column_is_named_beside_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(MissingColumn, match=f"{SOURCE}: no column 'hour'; columns are scheduled, .*hours, dest"):
        prepared(two_carriers().rename(columns={"hour": "hours"}), tmp_path)


def test_a_column_that_became_text_in_one_partition_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{SOURCE}: column 'hour' mixes types: "):
        prepared(two_carriers(hour="noon"), tmp_path)
    with pytest.raises(DataError, match=f"{SOURCE}: target 'air_time' is of type .*string; expected numbers"):
        prepared(two_carriers().assign(air_time="an hour"), tmp_path)


def test_a_column_of_another_type_is_told_when_its_values_do_not_fit_a_check(tmp_path: Path) -> None:
    spec = spec_of({"checks": [{"column": "hour", "min": 0}], "bad_rows": {"of_a_partition": 0.5, "of_all": 1.0}})
    with pytest.raises(DataError, match="hour"):
        prepared(two_carriers().assign(hour="noon"), tmp_path, spec)


def test_a_column_without_any_value_is_named_in_the_partition_that_lacks_it(tmp_path: Path) -> None:
    reason = only_ua_is_skipped(prepared(two_carriers(hour=np.nan), tmp_path))
    assert reason == "feature 'hour' is missing in all 60 rows"


@pytest.mark.parametrize("classes", [None, ("short", "long")])
def test_one_class_alone_is_named_with_the_partition_it_is_alone_in(
    classes: tuple[str, ...] | None, tmp_path: Path
) -> None:
    whole = two_carriers()
    long = (whole["air_time"] > whole["air_time"].median()) & (whole["carrier"] == "AA")
    whole["air_time"] = long.astype(float) if classes is None else np.where(long, "long", "short")
    spec = spec_of(
        task="classification",
        classes=classes,
        gates=[{"round_trip": True}],
        train={"estimator": "LogisticRegression", "metric": "log_loss"},
    )
    reason = only_ua_is_skipped(prepared(whole, tmp_path, spec))
    name = "0" if classes is None else "short"
    assert reason == f"target 'air_time' is {name} in all 60 rows: there is one class only"


def test_times_without_a_zone_are_refused_by_their_column(tmp_path: Path) -> None:
    naive = two_carriers()
    naive["scheduled"] = naive["scheduled"].dt.tz_localize(None)
    with pytest.raises(DataError, match=f"{SOURCE}: time column 'scheduled' has no time zone; name it in data.time_"):
        prepared(naive, tmp_path)


def test_a_time_that_no_clock_showed_is_told_of_its_column(tmp_path: Path) -> None:
    naive = two_carriers()
    naive["scheduled"] = naive["scheduled"].dt.tz_localize(None)
    naive.loc[3, "scheduled"] = pd.Timestamp("2026-03-08 02:30")
    reason = only_ua_is_skipped(prepared(naive, tmp_path, spec_of({"time_zone": "America/New_York"})))
    assert reason.startswith("time 'scheduled' holds one that no clock of America/New_York ever showed: ")


def test_rows_of_the_future_are_counted_and_a_partition_of_nothing_else_is_named(tmp_path: Path) -> None:
    whole, as_of = two_carriers(), MONDAY + timedelta(days=30)
    whole.loc[whole["carrier"] == "UA", "scheduled"] += timedelta(days=3650)
    whole.loc[whole.index[-2:], "scheduled"] = pd.Timestamp("2099-01-01", tz="UTC")
    dataset = prepared(whole, tmp_path, as_of=as_of)
    reason = only_ua_is_skipped(dataset)
    assert reason == "none of its 60 rows is known yet: 'scheduled' begins at 2036-02-28T00:00:00+00:00"
    assert dataset.later == 62


def test_a_row_of_the_future_is_told_by_a_check_of_its_column(tmp_path: Path) -> None:
    whole = two_carriers()
    whole.loc[:9, "scheduled"] = pd.Timestamp("2999-01-01", tz="UTC")
    check = {"checks": [{"column": "scheduled", "not_in_future": True}], "bad_rows": {"of_all": "50%"}}
    reason = only_ua_is_skipped(prepared(whole, tmp_path, spec_of(check)))
    assert reason == "10 of 60 rows broke a check, above 5.00%; most often: scheduled lies in the future (10)"


def test_keys_that_stand_twice_are_told_in_the_partition_that_has_them(tmp_path: Path) -> None:
    whole = two_carriers()
    whole.loc[whole.index[1:10], "scheduled"] = MONDAY
    check = {"checks": [{"unique": ["carrier", "scheduled"]}], "bad_rows": {"of_all": "50%"}}
    reason = only_ua_is_skipped(prepared(whole, tmp_path, spec_of(check)))
    assert "9 of 60 rows broke a check" in reason
    assert reason.endswith("carrier, scheduled stand in an earlier row (9)")


def test_a_function_of_ones_own_that_raises_is_named_with_what_it_raised(tmp_path: Path) -> None:
    def broken() -> pd.DataFrame:
        raise KeyError("bucket")

    with pytest.raises(DataError, match=f"{SOURCE}: it raised KeyError: 'bucket'"):
        prepared(broken, tmp_path)
    with pytest.raises(DataError, match=f"{SOURCE}: it gave a list; expected a pandas DataFrame"):
        prepared(lambda: [1, 2], tmp_path)


def test_a_module_that_raises_when_it_is_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raises_on_import.py").write_text("raise KeyError('WAREHOUSE')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DataError, match="raises_on_import:load: it cannot be imported: KeyError: 'WAREHOUSE'"):
        prepared(two_carriers(), tmp_path, spec_of({"source": "raises_on_import:load"}))


def test_a_check_of_ones_own_that_raises_is_told_with_its_column(tmp_path: Path) -> None:
    spec = spec_of({"checks": [{"pandera": "tests.unit.pipeline.test_bad_data:ODD"}]})
    with pytest.raises(DataError, match=r"hour.*no clock here"):
        prepared(two_carriers(), tmp_path, spec)


def test_a_column_that_stands_twice_is_named(tmp_path: Path) -> None:
    whole = two_carriers()
    whole.columns = [name if name != "origin" else "hour" for name in whole.columns]
    with pytest.raises(DataError, match=f"{SOURCE}: column 'hour' stands there twice"):
        prepared(whole, tmp_path)


def test_a_time_that_is_missing_is_told_of_its_column(tmp_path: Path) -> None:
    whole = two_carriers()
    whole.loc[:1, "scheduled"] = pd.NaT
    assert only_ua_is_skipped(prepared(whole, tmp_path)) == "time 'scheduled' is missing in 2 rows"


def test_a_column_whose_type_changed_since_the_champion_is_named() -> None:
    champion = fresh(SPEC, rows_of(frame(200)))
    given = frame(200).assign(hour="noon")
    text = layout_of(SPEC, arrow(given).schema)
    rows = Rows.from_table(canonical(arrow(given), text), text)
    made = train_model(SPEC, text.schema, MODEL, {"carrier": "UA"}, rows, PARAMETERS, Plan.first(SPEC))
    with pytest.raises(DataError, match=f"{MODEL}: feature 'hour' is a text now, and a number to its champion"):
        gather(made, champion.predictor)


def test_a_date_is_its_midnight_in_the_zone_that_is_named_and_none_without_one() -> None:
    dated = frame(60)
    dated["scheduled"] = [date(2026, 3, 1) + timedelta(days=number) for number in range(60)]
    with pytest.raises(DataError, match="time column 'scheduled' has no time zone"):
        layout_of(a_spec(), arrow(dated).schema)
    spec = a_spec(data=SPEC.as_document()["data"] | {"time_zone": "America/New_York"})
    layout = layout_of(spec, arrow(dated).schema)
    first = canonical(arrow(dated), layout, "America/New_York")["scheduled"][0].as_py()
    assert first == datetime(2026, 3, 1, 5, tzinfo=UTC)

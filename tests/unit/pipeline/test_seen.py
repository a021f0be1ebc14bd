"""What training saw travels in the package, and rules that cannot be tried on a version stop it there."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from runtime.domain.grant import SignedGrant
from runtime.domain.routes import Servable
from runtime.domain.seen import MOST_CATEGORIES, Seen
from runtime.pipeline.evaluate import evaluate
from runtime.pipeline.seen import seen_in
from runtime.policy.overrides import OverrideUnfit
from runtime.serving.overriding import watch_of
from runtime.storage.objects import ObjectStore
from tests.unit.domain.lives import a_grant
from tests.unit.pipeline.flights import a_spec, frame, fresh, rows_of, trained
from tests.unit.pipeline.test_package import packaged


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path))


def ruled(*rules: dict[str, Any]) -> Any:
    return a_spec(overrides=[*rules])


def test_the_baseline_holds_the_ranges_and_categories_of_the_rows_that_were_fitted(store: ObjectStore) -> None:
    registered = packaged(store, trained(), evaluate(a_spec(), trained(), None)).registered
    seen = Seen.model_validate(orjson.loads(store.get(registered.baseline))["seen"])
    data = frame(200)
    assert (seen.numbers["hour"].low, seen.numbers["hour"].high) == (data.hour.min(), data.hour.max())
    assert seen.categories == {"dest": data.dest.value_counts().to_dict()}
    _, predictions = trained().honest
    assert (seen.predictions.low, seen.predictions.high) == (predictions.min(), predictions.max())


def test_an_artifact_that_was_not_refitted_saw_nothing_of_the_holdout() -> None:
    data = frame(200)
    data.loc[199, "hour"], data.loc[199, "dest"] = 99.0, "XXX"
    model = fresh(a_spec(), rows_of(data))
    assert (seen_in(model, refit=True).numbers["hour"].high, len(seen_in(model, refit=True).categories["dest"])) == (
        99,
        4,
    )
    assert seen_in(model, refit=False).numbers["hour"].high < 99
    assert "XXX" not in seen_in(model, refit=False).categories["dest"]


def test_a_feature_without_a_number_has_no_range_and_one_of_many_words_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    data = frame(200)
    data["hour"] = np.nan
    seen = seen_in(fresh(a_spec(), rows_of(data)), refit=True)
    assert (seen.numbers, [*seen.categories]) == ({}, ["dest"])
    monkeypatch.setattr("runtime.pipeline.seen.MOST_CATEGORIES", 2)
    assert seen_in(trained(), refit=True).categories == {}
    assert MOST_CATEGORIES == 10_000


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"when": "out_of_range", "features": ["dest"]}, "out_of_range looks at numbers, which 'dest' does not hold"),
        (
            {"when": "unseen_category", "features": ["hour"]},
            "unseen_category looks at text, which 'hour' does not hold",
        ),
    ],
)
def test_a_rule_on_the_wrong_kind_of_feature_is_refused_with_the_package(
    store: ObjectStore, rule: dict[str, Any], reason: str
) -> None:
    with pytest.raises(OverrideUnfit, match=reason):
        packaged(store, trained(), evaluate(a_spec(), trained(), None), ruled({**rule, "then": "flag"}))


def test_a_replica_reads_what_training_saw_out_of_the_package_that_the_grant_names(store: ObjectStore) -> None:
    spec = ruled({"when": "out_of_range", "features": ["hour"], "then": "flag"})
    registered = packaged(store, trained(), evaluate(spec, trained(), None), spec).registered
    grant = a_grant().model_copy(update={"package": registered.package})
    servable = Servable(signed=SignedGrant(grant=grant, key_id="k", signature=""), schema=registered.schema_)
    watch = watch_of(spec.overrides, servable, store.get)
    assert watch is not None
    rows = rows_of(frame(200))
    high = float(np.nanmax(rows.columns["hour"]))

    class Asked:
        rows = 1
        numbers = ([high + 0.1],)
        texts: tuple[list[str | None], ...] = (["LAX"],)
        columns: dict[str, Any] = {}

    [fired] = watch.fired(Asked, [100.0])  # type: ignore[arg-type]
    assert (fired.feature, fired.rule.when) == ("hour", "out_of_range")

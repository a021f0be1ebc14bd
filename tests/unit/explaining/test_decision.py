"""A decision in a real segment of a real store, explained by its id's records."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.domain.decision import Decision, Variant
from runtime.domain.ids import derived_id
from runtime.explaining.decision import AnotherAnswer, InputsErased, Place, explain_decision
from runtime.flavors import dump
from runtime.statistics.profile import Profile
from runtime.storage.frames import NumberedDecision
from runtime.storage.keyring import Keyring
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from tests.unit.flavors.boosters import SCHEMA, columns
from tests.unit.flavors.specimens import asked, fitted_by, part

ID = derived_id("decision", 1)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = 3


class World:
    """A store with a version, its baseline, and a decision not sealed yet."""

    def __init__(self, folder: Path) -> None:
        self.store = ObjectStore.open(str(folder / "store"))
        self.predictor = fitted_by("sklearn", "HistGradientBoostingRegressor", max_iter=15)
        given = part(asked(), 0, ROWS)
        profile = Profile.from_columns({field.name: columns()[field.name] for field in SCHEMA.inputs})
        self.baseline = self.store.put(json.dumps({"features": profile.as_document()}).encode())
        self.decision = Decision(
            decision_id=ID,
            time=NOW,
            event_time=NOW,
            model="minutes",
            version=4,
            artifact=self.store.put(dump(self.predictor)),
            grant_id="grant-4",
            variant=Variant.CHAMPION,
            caller="planning",
            trace_id="",
            latency_us=800,
            numbers=(given["hour"].tolist(), given["distance"].tolist()),
            texts=(given["dest"].tolist(),),
            outputs=self.predictor.predict(given).tolist(),
        )

    def seal(self, decision: Decision) -> Place:
        """After another decision of one row."""
        other = replace(
            self.decision,
            decision_id=derived_id("decision", 2),
            numbers=([1.0], [2.0]),
            texts=(["LAX"],),
            outputs=[1.0],
        )
        (segment,) = seal([NumberedDecision(1, other), NumberedDecision(2, decision)], self.store, "replica", "epoch")
        return Place(ID, segment.digest, 2, ROWS, self.baseline)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def nobody(_: str) -> Any:
    raise AssertionError("no record names a data subject")


def test_a_decision_is_explained_by_the_version_that_made_it(world: World) -> None:
    found = explain_decision(world.seal(world.decision), world.store, nobody, 7).as_document()
    assert (found["version"], found["artifact"]) == (4, world.decision.artifact)
    assert (found["method"], found["seed"]) == ("tree_shap", None)
    for row, output in zip(found["rows"], world.decision.outputs, strict=True):
        assert row["output"] == output
        assert found["base"] + sum(row["contributions"].values()) == pytest.approx(output, abs=1e-9)


def test_a_recorded_answer_that_its_version_does_not_give_is_not_explained(world: World) -> None:
    first, second, third = world.decision.outputs
    other = float(np.nextafter(second, np.inf))
    place = world.seal(replace(world.decision, outputs=[first, other, third]))
    with pytest.raises(AnotherAnswer) as raised:
        explain_decision(place, world.store, nobody, 7)
    assert (raised.value.row, raised.value.recorded, raised.value.again) == (1, other, second)
    assert repr(other) in str(raised.value)
    assert repr(second) in str(raised.value)


def test_sealed_inputs_are_explained_while_their_key_lives_and_never_after(world: World, tmp_path: Path) -> None:
    keyring = Keyring.create(tmp_path / "subjects", lambda: NOW)
    key = keyring.key("minutes", "ada")
    place = world.seal(key.protect(world.decision))
    clear = explain_decision(world.seal(world.decision), world.store, nobody, 7)
    assert explain_decision(place, world.store, keyring.key_of, 7).as_document() == clear.as_document()
    keyring.destroy("minutes", "ada", key.pseudonym)
    with pytest.raises(InputsErased, match="its inputs are erased"):
        explain_decision(place, world.store, keyring.key_of, 7)

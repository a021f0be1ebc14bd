"""A decision explained at the command line, from a ledger and a store without a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from runtime.domain import events as e
from runtime.domain.decision import Decision
from runtime.domain.ids import derived_id
from runtime.flavors import dump, load
from runtime.ledger.log import Log
from runtime.statistics.profile import Profile
from tests.unit.domain.lives import MODEL, MONDAY, a_report, registered
from tests.unit.evidence.conftest import Installation
from tests.unit.flavors.boosters import SCHEMA, columns
from tests.unit.flavors.specimens import asked, fitted_by, part

Run = Callable[..., Result]
ID = derived_id("decision", 1)


@pytest.fixture
def decided(tmp_path: Path) -> Iterator[tuple[Installation, tuple[str, ...]]]:
    """One decision of two rows, sealed and under a checkpoint; and the options that name where it lies."""
    clock: list[Installation] = []
    with Log.open(f"sqlite:///{tmp_path / 'other.db'}", lambda: clock[0].clock() if clock else MONDAY) as log:
        made = Installation(tmp_path, log)
        clock.append(made)
        made.declare()
        made.prepare()
        predictor = fitted_by("sklearn", "HistGradientBoostingRegressor", max_iter=15)
        profile = Profile.from_columns({field.name: columns()[field.name] for field in SCHEMA.inputs})
        parts = {
            "artifact": made.store.put(dump(predictor)),
            "baseline": made.store.put(json.dumps({"features": profile.as_document()}).encode()),
            "schema_": SCHEMA,
        }
        report = e.VersionEvaluated(model=MODEL, version=1, report=a_report())
        made.record("user:dora", registered(1).model_copy(update=parts), report)
        made.seal(decision_of(made, ID))
        made.publish()
        yield made, ("--database", f"sqlite:///{tmp_path / 'other.db'}", "--store", str(tmp_path / "store"))


def decision_of(made: Installation, decision_id: str) -> Decision:
    """What the version really answers to two rows."""
    predictor = load(made.store.get(made.writer.state.models[MODEL].versions[1].registered.artifact))
    given = part(asked(), 0, 2)
    return replace(
        made.decide(decision_id, rows=2),
        numbers=(given["hour"].tolist(), given["distance"].tolist()),
        texts=(given["dest"].tolist(),),
        outputs=predictor.predict(given).tolist(),
    )


def test_a_decision_is_explained_by_its_id(decided: tuple[Installation, tuple[str, ...]], answer: Any) -> None:
    found = answer("explain", ID, "--offline", *decided[1])
    assert (found["decision_id"], found["model"], found["version"]) == (ID, MODEL, 1)
    assert len(found["rows"]) == 2
    for row in found["rows"]:
        assert found["base"] + sum(row["contributions"].values()) == pytest.approx(row["output"], abs=1e-9)


def test_the_table_names_each_column_for_each_row(decided: tuple[Installation, tuple[str, ...]], run: Run) -> None:
    made = run("explain", ID, "--offline", *decided[1])
    assert made.exit_code == 0, made.stderr
    assert "row 1: " in made.stdout
    assert made.stdout.count("distance") == 2


def test_what_overrides_made_of_each_row_is_told_beside_what_its_version_predicted(
    decided: tuple[Installation, tuple[str, ...]], run: Run, answer: Any
) -> None:
    installation, options = decided
    again = derived_id("decision", 2)
    flags = ("@1 override:value:missing:hour", "@1 answered:140.0")
    installation.seal(replace(decision_of(installation, again), flags=flags))
    installation.publish()
    found = answer("explain", again, "--offline", *options)
    assert found["overrides"] == [[], ["missing on hour fired: value", "140.0 went out in its place"]]
    shown = run("explain", again, "--offline", *options).stdout
    assert "; missing on hour fired: value; 140.0 went out in its place" in shown
    assert "overrides" not in answer("explain", ID, "--offline", *options)


def test_an_id_of_no_decision_says_so(decided: tuple[Installation, tuple[str, ...]], run: Run) -> None:
    made = run("explain", derived_id("decision", 9), "--offline", *decided[1])
    assert made.exit_code != 0
    assert "no sealed segment under the checkpoint holds it" in made.stderr


def test_an_artifact_that_is_gone_says_so(decided: tuple[Installation, tuple[str, ...]], run: Run) -> None:
    installation, options = decided
    artifact = installation.writer.state.models[MODEL].versions[1].registered.artifact
    installation.store.delete(artifact)
    made = run("explain", ID, "--offline", *options)
    assert made.exit_code != 0
    assert artifact in made.stderr

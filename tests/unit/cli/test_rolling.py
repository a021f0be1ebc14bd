"""``rollout`` and ``capacity``: what people do is an entry with its reason; what makes no sense is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.lifecycle import Status
from runtime.domain.model_state import ModelState
from tests.unit.cli.conftest import Installation

Run = Callable[..., Result]
Answer = Callable[..., Any]
STEPS = (
    e.Step(stage=e.Stage.SHADOW, share=0.0, decisions=30),
    e.Step(stage=e.Stage.FULL, share=1.0, decisions=0),
)


@pytest.fixture(autouse=True)
def up(governed: Installation) -> Installation:
    return governed


def model(installation: Installation) -> ModelState:
    return installation.writer.state.model("minutes-a")


@pytest.fixture
def rolling(run: Run, up: Installation) -> Installation:
    """Version 3 is approved, and at the first step of its rollout."""
    assert run("approve", "minutes-a", "3").exit_code == 0
    event = e.RolloutStarted(model="minutes-a", version=3, steps=STEPS)
    up.writer.commit([[Draft(event, "service:operator", "started")]])
    return up


def test_a_rollout_is_shown_with_its_steps(rolling: Installation, run: Run, answer: Answer) -> None:
    assert answer("rollout", "minutes-a")["rollout"]["version"] == 3
    shown = run("rollout", "minutes-a").stdout
    assert "shadow for 30 decisions" in shown
    assert "to come" in shown


def test_a_model_without_a_rollout_says_so(run: Run) -> None:
    assert run("rollout", "minutes-a").stdout == "minutes-a: no rollout is running\n"
    refused = run("rollout", "minutes-a", "--abort", "--reason", "x")
    assert refused.exit_code != 0
    assert "none is running" in refused.stderr


def test_a_rollout_is_paused_and_goes_on(rolling: Installation, run: Run) -> None:
    assert run("rollout", "minutes-a", "--pause", "--reason", "a strike").exit_code == 0
    running = model(rolling).rollout
    assert running is not None
    assert running.paused == "a strike"
    assert "a strike" in run("rollout", "minutes-a").stdout
    assert run("rollout", "minutes-a", "--resume", "--reason", "it is over").exit_code == 0
    running = model(rolling).rollout
    assert running is not None
    assert not running.paused


def test_a_rollout_is_cut_short_by_a_person(rolling: Installation, run: Run) -> None:
    said = run("rollout", "minutes-a", "--promote", "--reason", "tested by hand")
    assert (said.exit_code, "version 3 promoted to champion by user:ada: tested by hand" in said.stdout) == (0, True)
    assert model(rolling).champion == 3


def test_a_rollout_is_ended_by_a_person(rolling: Installation, run: Run) -> None:
    assert run("rollout", "minutes-a", "--abort", "--reason", "not now").exit_code == 0
    assert model(rolling).version(3).status is Status.ROLLED_BACK
    assert model(rolling).champion == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--pause",), "--pause needs a --reason"),
        (("--pause", "--abort", "--reason", "x"), "--pause and --abort are two actions"),
        (("--reason", "x"), "--reason goes with"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: tuple[str, ...], said: str, run: Run) -> None:
    result = run("rollout", "minutes-a", *arguments)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_the_fleets_capacity_of_retrainings_is_set(run: Run, up: Installation) -> None:
    assert run("capacity", "3", "--every", "14d", "--reason", "one machine").exit_code == 0
    budget = up.writer.state.retraining_budget
    assert budget is not None
    assert (budget.models, budget.every.days) == (3, 14)
    assert run("capacity", "3", "--every", "often", "--reason", "x").exit_code == 2

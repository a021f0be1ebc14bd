"""A rollout step is guarded before outcomes and after; what is surely bad is told at once, and each word once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from runtime.domain import events as e
from runtime.domain.decision import Decision
from runtime.domain.guards import Guard, GuardReading
from runtime.domain.verdict import StepVerdict
from runtime.monitoring.saved import pack, unpack
from runtime.monitoring.shards import Shard
from runtime.policy.rollout import judge_running
from tests.unit.domain.lives import MODEL, started
from tests.unit.monitoring.world import Traffic, World

SHADOW = (
    e.Step(stage=e.Stage.SHADOW, share=0.0, decisions=2_000),
    e.Step(stage=e.Stage.FULL, share=1.0, decisions=0),
)


def under_rollout(folder: Path, **guardrail: object) -> World:
    world = World(folder, guardrail={"worse_by": 0.1, **guardrail})
    world.prepare(2)
    world.tell(started(2, SHADOW))
    return world


def beside(today: Traffic, outputs: list[float], latency_us: int = 800) -> Decision:
    """What version 2 predicted in the shadow."""
    decision = today.beside(2, error=0.0)
    fields = {name: getattr(decision, name) for name in decision.__slots__}
    return Decision(**fields | {"outputs": outputs, "latency_us": latency_us})


def told(world: World, number: int) -> list[e.RolloutMeasured]:
    return [event for event in world.end_of(number) if isinstance(event, e.RolloutMeasured)]


def broken(event: e.RolloutMeasured) -> list[GuardReading]:
    return [reading for reading in event.guards or () if reading.is_broken]


def ended(world: World) -> StepVerdict:
    """What the operator would make of what was told."""
    state = world.monitor.state
    running = state.model(MODEL).rollout
    assert running is not None
    return judge_running(state.spec_of(state.model(MODEL)), running, state.ticks_until)[0]


def test_a_challenger_that_is_surely_worse_is_ended_long_before_its_decisions(tmp_path: Path) -> None:
    world = under_rollout(tmp_path)
    today = Traffic(0, rows=60)
    world.hand_in(today.decision, today.beside(2, error=30.0), today.outcomes)
    (measured,) = told(world, 0)
    (reading,) = broken(measured)
    assert (reading.guard, reading.rows, measured.comparison.rows) == (Guard.ERROR, 60, 60)
    assert ended(world) is StepVerdict.ABORT
    tomorrow = Traffic(1, rows=60)
    world.hand_in(tomorrow.decision, tomorrow.beside(2, error=30.0), tomorrow.outcomes)
    assert told(world, 1) == [], "it was said"


def test_a_challenger_that_is_as_good_is_not_ended_early(tmp_path: Path) -> None:
    world = under_rollout(tmp_path, failed="2%", apart="20%", latency_p99_ms=50)
    chance = np.random.default_rng(5)
    for number in range(15):
        today = Traffic(number, rows=100)
        outputs = (np.array(today.outcomes.actuals) + chance.normal(0, 10, 100)).tolist()
        world.hand_in(today.decision, beside(today, outputs), today.outcomes)
        assert told(world, number) == []


def test_answers_that_are_no_numbers_end_a_step_before_any_outcome(tmp_path: Path) -> None:
    world = under_rollout(tmp_path, failed="2%")
    today = Traffic(0, rows=40)
    outputs = [float("nan") if at % 4 == 0 else 100.0 for at in range(40)]
    world.hand_in(today.decision, beside(today, outputs))
    (measured,) = told(world, 0)
    assert measured.comparison.rows == 0
    assert [reading.guard for reading in broken(measured)] == [Guard.FAILED]
    assert ended(world) is StepVerdict.ABORT


def test_slow_answers_end_a_step(tmp_path: Path) -> None:
    world = under_rollout(tmp_path, latency_p99_ms=50)
    found: list[e.RolloutMeasured] = []
    number = 0
    for number in range(20):
        today = Traffic(number, rows=1)
        world.hand_in(today.decision, beside(today, [100.0], latency_us=90_000 if number % 2 else 800))
        found = told(world, number)
        if found:
            break
    assert [reading.guard for reading in broken(found[0])] == [Guard.SLOW]
    assert number >= 3, "a slow answer or two may happen"


def test_answers_that_lie_elsewhere_end_a_step_before_any_outcome(tmp_path: Path) -> None:
    world = under_rollout(tmp_path, apart="20%")
    found: list[e.RolloutMeasured] = []
    for number in range(5):
        today = Traffic(number, rows=100)
        world.hand_in(today.decision, beside(today, [output + 30 for output in today.decision.outputs]))
        found += told(world, number)
    (measured,) = found
    (reading,) = broken(measured)
    assert (reading.guard, reading.value > 0.4) == (Guard.APART, True)


def test_rows_that_come_again_count_once_for_the_guards(tmp_path: Path) -> None:
    world = under_rollout(tmp_path, failed="2%", apart="20%")
    today = Traffic(0, rows=30)
    world.hand_in(today.decision, today.beside(2, error=1.0))
    world.hand_in(today.decision, today.beside(2, error=1.0))
    trial = world.watch.trial
    assert trial is not None
    assert (trial.answered, len(trial.pairs)) == (30, 30)
    world.end_of(0)
    assert trial.apart is not None
    assert trial.apart.rows == 30


def test_a_step_is_told_as_judged_and_once_more_if_a_guard_breaks_while_it_is_held(tmp_path: Path) -> None:
    world = World(tmp_path, guardrail={"worse_by": 0.1})
    world.prepare(2)
    world.tell(started(2, (e.Step(stage=e.Stage.SHADOW, share=0.0, decisions=20), SHADOW[-1])))
    good, bad = Traffic(0, rows=20), Traffic(1, rows=200)
    world.hand_in(good.decision, good.beside(2, error=1.0), good.outcomes)
    (judged,) = told(world, 0)
    assert broken(judged) == []
    world.hand_in(bad.decision, bad.beside(2, error=60.0), bad.outcomes)
    (again,) = told(world, 1)
    assert [reading.guard for reading in broken(again)] == [Guard.ERROR]


def test_with_a_confidence_a_step_is_told_when_it_is_shown_and_not_before(tmp_path: Path) -> None:
    world = World(tmp_path, guardrail={"worse_by": 0.1, "confidence": 0.95})
    world.prepare(2)
    world.tell(started(2, (e.Step(stage=e.Stage.SHADOW, share=0.0, decisions=15), SHADOW[-1])))
    chance, days = np.random.default_rng(9), 0
    found: list[e.RolloutMeasured] = []
    while not found and days < 20:
        today = Traffic(days, rows=5)
        outputs = (np.array(today.outcomes.actuals) + chance.normal(0, 3, 5)).tolist()
        world.hand_in(today.decision, beside(today, outputs), today.outcomes)
        found, days = told(world, days), days + 1
    assert found[0].comparison.rows >= 15
    assert found[0].guards is not None
    assert found[0].guards[0].is_cleared(0.05)
    assert ended(world) is StepVerdict.ADVANCE


def test_a_trial_comes_back_from_a_save_as_it_was(tmp_path: Path) -> None:
    world = under_rollout(tmp_path, failed="2%", apart="20%", latency_p99_ms=50)
    for number in range(3):
        today = Traffic(number, rows=20)
        world.hand_in(today.decision, today.beside(2, error=1.0), today.outcomes)
        world.end_of(number)
    open_ = Traffic(3, rows=20)
    world.hand_in(open_.decision, open_.beside(2, error=1.0))
    (watch,) = unpack(pack(Shard(), len(world.entries), world.monitor.watches.values())).watches.values()
    assert watch.trial == world.watch.trial
    assert watch.trial is not None
    assert watch.trial.pairs

"""Is the verdict right? Five worlds, 100 seeded runs of each, through the product's own monitor, fold and policy.

    no drift           nothing is to be done, in 120 days
    covariate shift    inputs move, what follows from them does not: drift is found, and nothing is to be done
    concept shift      what follows from the inputs changes: retrain
    broken column      one column goes missing, sticks at a value, or changes its unit: a person is called, and nothing
                       is retrained, though errors grow
    label delay        inputs and concept change at once, and outcomes come 14 days late: nothing before they
                       tell, then retrain

A model of least squares answers 50 rows a day; the day of the change, the columns and the sizes are drawn by the seed.
Entries go through the monitor and the governor's reactions as in a fleet, without Ray; a run is right if all of its
verdicts and retrainings are what its world asks for.

    python benchmarks/verdicts.py [--runs 100]
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from runtime.domain import canonical  # noqa: E402
from runtime.domain import events as e  # noqa: E402
from runtime.domain.decision import Variant  # noqa: E402
from runtime.domain.entry import Draft, Entry  # noqa: E402
from runtime.domain.ids import derived_id, digest_of  # noqa: E402
from runtime.domain.reports import WindowPerformance  # noqa: E402
from runtime.domain.schema import Field, FieldKind, Schema  # noqa: E402
from runtime.domain.spec import Spec  # noqa: E402
from runtime.domain.verdict import Action  # noqa: E402
from runtime.monitoring.baseline import Baseline  # noqa: E402
from runtime.monitoring.fold import Monitor  # noqa: E402
from runtime.monitoring.rows import DecisionRows, OutcomeRows  # noqa: E402
from runtime.policy.plan import plan  # noqa: E402
from runtime.policy.reactions import reactions  # noqa: E402
from runtime.statistics.performance import error_profile  # noqa: E402
from runtime.statistics.profile import Profile  # noqa: E402
from tests.unit.domain.lives import (  # noqa: E402
    DOCUMENT,
    FULL,
    MODEL,
    MONDAY,
    applied,
    approved,
    declared,
    evaluated,
    granted,
    promoted,
    registered,
    started,
)

RESULTS = ROOT / "benchmarks" / "results" / "verdicts.json"
NUMBERS = ("distance", "wind", "seats")
KINDS = np.array(["jet", "prop", "mixed"], dtype=object)
NOISE = 10.0
DAYS, ROWS, TRAINED = 120, 50, 4_000
SCHEMA = Schema(
    inputs=(*(Field(name=name, kind=FieldKind.NUMBER) for name in NUMBERS), Field(name="engine", kind=FieldKind.TEXT)),
    outputs=(Field(name="prediction", kind=FieldKind.NUMBER),),
)
SPEC = Spec.model_validate(
    DOCUMENT
    | {
        "data": DOCUMENT["data"] | {"features": [*NUMBERS, "engine"]},
        "retrain": {"when": ["drift", "performance"], "window": "7d", "degraded_by": "20%"},
    }
)


@dataclass
class Inputs:
    """Rows: numbers [rows, columns], and the kind of engine of each."""

    numbers: np.ndarray
    kinds: np.ndarray

    def design(self, filled: np.ndarray) -> np.ndarray:
        """What least squares takes; what is missing is its mean."""
        numbers = np.where(np.isnan(self.numbers), filled, self.numbers)
        return np.column_stack((numbers, *(self.kinds == kind for kind in KINDS)))


@dataclass
class World:
    """How inputs come, and what follows from them."""

    chance: np.random.Generator
    slopes: np.ndarray = field(init=False)
    levels: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.slopes = self.chance.uniform(5, 20, len(NUMBERS)) * self.chance.choice([-1, 1], len(NUMBERS))
        self.levels = self.chance.normal(100, 10, len(KINDS))

    def inputs(self, rows: int, shift: np.ndarray | float = 0.0) -> Inputs:
        return Inputs(self.chance.normal(shift, 1, (rows, len(NUMBERS))), self.chance.choice(KINDS, rows))

    def outcomes(self, inputs: Inputs, turned: np.ndarray | float = 0.0) -> np.ndarray:
        level = np.select([inputs.kinds == kind for kind in KINDS], self.levels.tolist())
        noise = self.chance.normal(0, NOISE, len(level))
        return np.asarray(inputs.numbers @ (self.slopes + turned) + level + noise)


@dataclass
class Course:
    """One model's ledger, followed by the monitor, the reactions and the operator's plan."""

    monitor: Monitor = field(init=False)
    decisions: dict[str, list[DecisionRows]] = field(default_factory=dict)
    outcomes: dict[str, list[OutcomeRows]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    told: list[e.Event] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.monitor = Monitor(self.objects.__getitem__, self.decisions.__getitem__, self.outcomes.__getitem__)

    def tell(self, *events: e.Event) -> None:
        for event in events:
            self.record(Draft.fresh(event, "service:governor"))

    def record(self, draft: Draft) -> None:
        """One entry, and all that follows from it."""
        if draft.event_id in self.known:
            return
        self.known.add(draft.event_id)
        state = self.monitor.state
        entry = Entry(state.size, draft.event_id, MONDAY, draft.principal, draft.event)
        answers = self.monitor.apply(entry)
        self.told.append(draft.event)
        follow = reactions(state, entry, _unsigned) if isinstance(draft.event, e.FindingOpened) else []
        for each in (*follow, *answers):
            self.record(each)

    def crown(self, baseline: Baseline) -> None:
        content = canonical.encode(baseline.as_document())
        self.objects[digest_of(content)] = content
        changes = {"baseline": digest_of(content), "schema_": SCHEMA}
        self.tell(applied(SPEC), declared(), registered(1).model_copy(update=changes), evaluated(1), approved(1))
        self.tell(granted(1), started(1, FULL), promoted(1))

    def seal(self, content: e.SegmentContent, name: str, rows: int) -> None:
        self.tell(
            e.SegmentSealed(
                content=content,
                digest=name,
                record_root="00",
                records=rows,
                replica="memory",
                epoch="epoch",
                first_number=1,
                last_number=rows,
                first_time=MONDAY,
                last_time=MONDAY,
            )
        )

    def answer(self, day: int, inputs: Inputs, outputs: np.ndarray) -> str:
        name = digest_of(f"decisions {day}".encode())
        keys = [(derived_id("day", day), row) for row in range(len(outputs))]
        texts = inputs.kinds[:, None]
        self.decisions[name] = [DecisionRows(MODEL, 1, Variant.CHAMPION, keys, inputs.numbers, texts, outputs.tolist())]
        self.seal(e.SegmentContent.DECISIONS, name, len(keys))
        return name

    def learn(self, day: int, actuals: np.ndarray) -> None:
        name = digest_of(f"outcomes {day}".encode())
        rows = [(derived_id("day", day), row, actual) for row, actual in enumerate(actuals.tolist())]
        self.outcomes[name] = [OutcomeRows(MODEL, rows)]
        self.seal(e.SegmentContent.OUTCOMES, name, len(rows))

    def end(self, day: int) -> None:
        self.tell(e.WatermarkAdvanced(until=MONDAY + timedelta(days=day + 1)))
        for move in plan(self.monitor.state).moves:
            self.record(move)

    def verdicts(self) -> list[e.VerdictReached]:
        return [event for event in self.told if isinstance(event, e.VerdictReached)]

    def retrainings(self) -> list[e.RetrainingStarted]:
        return [event for event in self.told if isinstance(event, e.RetrainingStarted)]


def _unsigned(grant: Any) -> Any:
    raise AssertionError(f"no grant was expected: {grant}")


# --- the worlds ------------------------------------------------------------------------------------


@dataclass
class Change:
    """What happens from ``day`` on, and how late outcomes are."""

    day: int = DAYS
    shift: np.ndarray | float = 0.0
    turned: np.ndarray | float = 0.0
    breaks: Callable[[Inputs], Inputs] | None = None
    late: int = 1


def nothing(chance: np.random.Generator) -> Change:  # noqa: ARG001 - as the other worlds
    return Change()


def covariates(chance: np.random.Generator) -> Change:
    return Change(_day(chance), shift=_some(chance, 0.5, 1.5))


def concept(chance: np.random.Generator) -> Change:
    return Change(_day(chance), turned=_some(chance, 12, 25))


def broken(chance: np.random.Generator) -> Change:
    column, how = int(chance.integers(len(NUMBERS))), int(chance.integers(3))

    def breaks(inputs: Inputs) -> Inputs:
        numbers = inputs.numbers.copy()
        if how == 0:
            numbers[chance.random(len(numbers)) < 0.9, column] = np.nan
        elif how == 1:
            numbers[:, column] = 2.5
        else:
            numbers[:, column] = 25 + 2.54 * numbers[:, column]
        return Inputs(numbers, inputs.kinds)

    return Change(_day(chance), breaks=breaks)


def delayed(chance: np.random.Generator) -> Change:
    return Change(_day(chance), shift=_some(chance, 0.5, 1.5), turned=_some(chance, 12, 25), late=14)


def _day(chance: np.random.Generator) -> int:
    return int(chance.integers(40, 70))


def _some(chance: np.random.Generator, low: float, high: float) -> np.ndarray:
    """One or two of the columns move, up or down."""
    moved = np.zeros(len(NUMBERS))
    at = chance.choice(len(NUMBERS), int(chance.integers(1, 3)), replace=False)
    moved[at] = chance.uniform(low, high, len(at)) * chance.choice([-1, 1], len(at))
    return moved


def run(seed: int, scenario: Callable[[np.random.Generator], Change]) -> tuple[Course, Change]:
    """120 days of one model in one world."""
    chance = np.random.default_rng(seed)
    world, change = World(chance), scenario(chance)
    train = world.inputs(TRAINED)
    truth = world.outcomes(train)
    filled = train.numbers.mean(axis=0)
    design = train.design(filled)
    weights = np.linalg.lstsq(design[: TRAINED // 2], truth[: TRAINED // 2], rcond=None)[0]
    errors = (design @ weights - truth)[TRAINED // 2 :]
    columns = {name: train.numbers[:, at] for at, name in enumerate(NUMBERS)}
    profile = Profile.from_columns(columns | {"engine": train.kinds, "prediction": design @ weights})
    performance = WindowPerformance(rows=errors.size, mae=float(np.abs(errors).mean()), bias=float(errors.mean()))
    course = Course()
    bounds = {name: (float(values.min()), float(values.max())) for name, values in list(columns.items())}
    course.crown(Baseline(profile, error_profile(errors), performance, bounds=bounds))  # as a package holds them
    awaited: dict[int, np.ndarray] = {}
    for day in range(DAYS):
        changed = day >= change.day
        inputs = world.inputs(ROWS, change.shift if changed else 0.0)
        awaited[day] = world.outcomes(inputs, change.turned if changed else 0.0)
        seen = change.breaks(inputs) if changed and change.breaks is not None else inputs
        course.answer(day, seen, seen.design(filled) @ weights)
        if day - change.late + 1 in awaited:
            course.learn(day - change.late + 1, awaited.pop(day - change.late + 1))
        course.end(day)
        if course.retrainings():
            break  # what follows is another champion's story
    return course, change


def fault(name: str, course: Course, change: Change) -> str:
    """What is wrong with a run's verdicts; empty for a right one."""
    reached = course.verdicts()
    actions = Counter(each.verdict.action for each in reached)
    begins = MONDAY + timedelta(days=change.day)
    early = [each for each in reached if each.as_of <= begins and each.verdict.action is not Action.NOTHING]
    if early:
        return f"before the change: {early[0].verdict.action.value}"
    if name in {"no drift", "covariate shift"}:
        wrong = next((action for action in actions if action is not Action.NOTHING), None)
        if wrong is not None:
            return wrong.value
        return "" if name == "no drift" or reached else "nothing was found"
    if name == "broken column":
        if course.retrainings():
            return "retrained"
        return "" if actions[Action.CALL_A_PERSON] else "nobody was called"
    if actions[Action.CALL_A_PERSON]:
        return "a person was called"
    seen = begins + timedelta(days=change.late)
    first = next((each for each in reached if each.verdict.action is Action.RETRAIN), None)
    if first is None:
        return "not retrained"
    return "retrained before outcomes told" if first.as_of < seen else ""


SCENARIOS: dict[str, tuple[Callable[[np.random.Generator], Change], str]] = {
    "no drift": (nothing, "nothing"),
    "covariate shift": (covariates, "nothing, though drift is found"),
    "concept shift": (concept, "retrain"),
    "broken column": (broken, "call a person, and retrain nothing"),
    "label delay": (delayed, "nothing until outcomes tell, then retrain"),
}


def measured(runs: int, worlds: list[str]) -> dict[str, Any]:
    """Every scenario's right runs, what went wrong in the others, and how soon the verdict came."""
    found: dict[str, Any] = {}
    for at, (name, (scenario, wanted)) in enumerate(SCENARIOS.items()):
        if name not in worlds:
            continue
        begun, faults, delays = time.process_time(), Counter[str](), []
        for seed in range(runs):
            course, change = run(1_000 * (at + 1) + seed, scenario)
            faults[fault(name, course, change)] += 1
            acted = [each for each in course.verdicts() if each.verdict.action is not Action.NOTHING]
            if acted:
                delays.append((acted[0].as_of - MONDAY).days - change.day)
        right = faults.pop("", 0)
        found[name] = {
            "wanted": wanted,
            "runs": runs,
            "right": right,
            "faults": dict(faults),
            "days_to_verdict_median": float(np.median(delays)) if delays else None,
            "cpu_seconds": round(time.process_time() - begun, 1),
        }
        print(f"{name}: {right} of {runs}", dict(faults), flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="this world alone; may be repeated")
    options = parser.parse_args()
    found = measured(options.runs, options.only or list(SCENARIOS))
    print("\n| world | the right verdict | right | median days to it |\n|---|---|---|---|")
    for name, each in found.items():
        days = each["days_to_verdict_median"]
        shown = "" if days is None else f"{days:g}"
        print(f"| {name} | {each['wanted']} | {each['right']} of {each['runs']} | {shown} |")
    RESULTS.parent.mkdir(exist_ok=True)
    if options.only and RESULTS.exists():
        known = json.loads(RESULTS.read_text()) | found
        found = {name: known[name] for name in SCENARIOS if name in known}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if all(each["right"] >= 0.95 * each["runs"] for each in found.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())

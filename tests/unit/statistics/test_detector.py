"""The detector's laws, its false-alarm rate and its delays, in the figures of the monitoring notes."""

import json
import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from runtime.statistics.detector import (
    Detector,
    DetectorConfig,
    DetectorPlan,
    DetectorState,
    Reading,
    read,
    update,
)
from runtime.statistics.errors import InvalidStatistic, LayoutMismatch, NoEvidence
from runtime.statistics.profile import Counts, Profile
from runtime.statistics.tolerance import estimate_delta0

Columns = dict[str, np.ndarray]
CARRIERS = np.array(["AA", "B6", "DL", "UA", "WN"], dtype=object)
SHARES = np.array([0.4, 0.3, 0.15, 0.1, 0.05])


def draw(rng: np.random.Generator, rows: int) -> Columns:
    """A healthy window: two numbers, one with gaps, and a category."""
    gaps = np.where(rng.random(rows) < 0.02, np.nan, rng.normal(size=rows))
    return {"delay": rng.normal(size=rows), "gaps": gaps, "carrier": rng.choice(CARRIERS, rows, p=SHARES)}


@pytest.fixture(scope="module")
def profile() -> Profile:
    return Profile.from_columns(draw(np.random.default_rng(1), 100_000))


@pytest.fixture(scope="module")
def plan(profile: Profile) -> DetectorPlan:
    """As one of 35 features would be weighted."""
    weights = {"delay": 1 / 35, "gaps": 1 / 35, "carrier": 33 / 35}
    return DetectorPlan.build(profile, weights=weights)


def checks_until_alarm(
    plan: DetectorPlan, windows: Callable[[], Counts], *, state: DetectorState | None = None, most: int = 60
) -> int:
    """How many checks it takes; ``most`` if none of them alarms."""
    state = state or DetectorState.fresh(plan)
    for check in range(1, most):
        state, reading = update(plan, state, windows())
        if reading.alarm:
            return check
    return most


def test_an_empty_tick_changes_nothing(profile: Profile, plan: DetectorPlan) -> None:
    state, before = update(plan, DetectorState.fresh(plan), profile.count(draw(np.random.default_rng(2), 50)))
    after_state, after = update(plan, state, Counts.empty(profile.layout))
    assert after_state is state
    assert after == before


def test_before_the_first_tick_there_is_no_evidence(profile: Profile, plan: DetectorPlan) -> None:
    _, reading = update(plan, DetectorState.fresh(plan), Counts.empty(profile.layout))
    assert reading.evidence == -math.inf
    assert not reading.alarm


def test_an_update_leaves_the_state_it_was_given_alone(profile: Profile, plan: DetectorPlan) -> None:
    state = DetectorState.fresh(plan)
    update(plan, state, profile.count(draw(np.random.default_rng(2), 50)))
    assert state == DetectorState.fresh(plan)
    with pytest.raises(ValueError, match="read-only"):
        state.learned[0, 0] = 1


def test_equal_ticks_give_equal_readings(profile: Profile, plan: DetectorPlan) -> None:
    def run() -> tuple[DetectorState, Reading]:
        rng, state = np.random.default_rng(2), DetectorState.fresh(plan)
        for _ in range(5):
            state, _ = update(plan, state, profile.count(draw(rng, 40)))
        return state, read(plan, state)

    assert run() == run()


def test_shards_add_up_to_the_tick_they_are_parts_of(profile: Profile, plan: DetectorPlan) -> None:
    rows = draw(np.random.default_rng(2), 90)
    parts = [profile.count({name: column[k::3] for name, column in rows.items()}) for k in range(3)]
    fresh = DetectorState.fresh(plan)
    assert update(plan, fresh, parts[0] + parts[1] + parts[2]) == update(plan, fresh, profile.count(rows))


def test_a_state_survives_storage_at_any_age(profile: Profile, plan: DetectorPlan) -> None:
    rng, state = np.random.default_rng(2), DetectorState.fresh(plan)
    for _ in range(3):
        text = json.dumps(state.as_document(), allow_nan=False)
        assert DetectorState.from_document(json.loads(text), plan) == state
        state, _ = update(plan, state, profile.count(draw(rng, 40)))


def test_plans_states_and_counts_travel_between_processes(profile: Profile, plan: DetectorPlan) -> None:
    counts = profile.count(draw(np.random.default_rng(2), 50))
    sent = pickle.loads(pickle.dumps((profile, plan, DetectorState.fresh(plan), counts)))
    assert sent[0] == profile
    assert update(*sent[1:]) == update(plan, DetectorState.fresh(plan), counts)


def test_a_state_or_tick_of_another_baseline_is_refused(profile: Profile, plan: DetectorPlan) -> None:
    other = Profile.from_columns(draw(np.random.default_rng(9), 500))
    with pytest.raises(LayoutMismatch):
        update(plan, DetectorState.fresh(plan), other.counts)
    with pytest.raises(LayoutMismatch):
        update(plan, DetectorState.fresh(DetectorPlan.build(other)), profile.counts)
    with pytest.raises(LayoutMismatch):
        DetectorState.from_document(DetectorState.fresh(DetectorPlan.build(other)).as_document(), plan)


def test_one_tick_is_the_formula_of_the_paper() -> None:
    """By hand: a feature that is never missing, one tick, R after it = LR / B^m for each alternative."""
    profile = Profile.from_columns({"flag": np.array(["n"] * 60 + ["y"] * 40)})
    plan = DetectorPlan.build(profile, delta0=0.01, checks_between_false_alarms=50)
    _, reading = update(plan, DetectorState.fresh(plan), profile.count({"flag": ["y"] * 7 + ["n"] * 3}))
    counts, p = np.array([3, 7, 0, 0]), (np.array([60, 40, 0, 0]) + 0.5) / 102
    scores = []
    for k in range(4):
        for ratio, weight in ((0.5, 1), (0.7, 1), (0.85, 2), (1.2, 3), (1.5, 2), (2.0, 1)):
            mix = 0.85 / 4 * weight / 10
            q_k = min(ratio * p[k], (1 + p[k]) / 2)
            q = np.where(np.arange(4) == k, q_k, p * (1 - q_k) / (1 - p[k]))
            chi = np.sqrt(np.sum((q - p) ** 2 / p))
            discount = 1 + min(5 / np.sqrt(100) * chi, np.log(50 / mix) / 100) + 0.01 * chi
            scores.append(mix * np.prod((q / p) ** counts) / discount**10)
    learned = 1.0  # nothing learned yet
    assert reading.evidence == pytest.approx(np.log(np.sum(scores) + 0.15 * learned))
    assert reading.threshold == pytest.approx(np.log(50))


def test_a_learned_alternative_follows_the_rows_it_has_seen() -> None:
    profile = Profile.from_columns({"flag": np.array(["n"] * 60 + ["y"] * 40)})
    plan = DetectorPlan.build(profile)
    first, second = np.array([0, 10, 0, 0]), np.array([1, 4, 0, 0])
    state = DetectorState.fresh(plan)
    for counts in (first, second):
        state, _ = update(plan, state, Counts(profile.layout, int(counts.sum()), counts))
    p = (np.array([60, 40, 0, 0]) + 0.5) / 102
    q = 0.1 * p + 0.9 * (first + 50 * p) / 60
    discount = 1 + 5 / np.sqrt(100) * np.sqrt(np.sum((q - p) ** 2 / p))
    expected = np.log(2) + np.sum(second * np.log(q / p)) - 5 * np.log(discount)
    assert state.log_r[-2:] == pytest.approx([expected] * 2)
    assert state.learned == pytest.approx(np.stack([d * first + second for d in (0.8, 0.97)]))


def test_numeric_alternatives_are_shapes_that_add_up_to_one(plan: DetectorPlan) -> None:
    """E[q / p] = 1 under p, so that with the discount every factor has a mean of at most 1."""
    plain = DetectorPlan.build(
        Profile.from_columns({"delay": np.random.default_rng(1).normal(size=16_000)}), reference_sigmas=0
    )
    shares = plain.shares[:-1] / plain.shares[:-1].sum()
    assert shares @ np.exp(plain.shape_steps[0]) == pytest.approx(np.ones(14))
    assert np.all((plan.shares[:16] / plan.shares[:16].sum()) @ np.exp(plan.shape_steps[0]) < 1)


def test_weights_of_alternatives_and_features_add_up_to_one(plan: DetectorPlan) -> None:
    assert np.add.reduceat(plan.score_mix, plan.score_starts) == pytest.approx(np.ones(3))
    assert plan.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("feature", "change", "rows", "mean_checks"),
    [
        ("delay", lambda rng, m: rng.normal(0.1, 1, m), 1000, (2, 7)),
        ("delay", lambda rng, m: rng.normal(0.25, 1, m), 1000, (1, 1.5)),
        ("delay", lambda rng, m: rng.normal(0.5, 1, m), 1000, (1, 1.1)),
        ("delay", lambda rng, m: rng.normal(0.25, 1, m), 100, (3, 11)),
        ("delay", lambda rng, m: rng.normal(0.5, 1, m), 100, (1.5, 4)),
        ("delay", lambda rng, m: rng.normal(0, 1.2, m), 1000, (1, 2)),
        ("delay", lambda rng, m: rng.choice([-0.8, 0.8], m) + rng.normal(0, 0.6, m), 1000, (2, 5)),
        ("gaps", lambda rng, m: np.where(rng.random(m) < 0.03, np.nan, rng.normal(size=m)), 1000, (5, 14)),
        ("carrier", lambda rng, m: rng.choice(CARRIERS, m, p=[0.48, 0.26, 0.13, 0.09, 0.04]), 1000, (1, 3)),
    ],
    ids=["mean .1", "mean .25", "mean .5", "small .25", "small .5", "sd 1.2", "bimodal", "missing", "category"],
)
def test_a_change_is_found_in_few_checks(
    profile: Profile,
    plan: DetectorPlan,
    feature: str,
    change: Callable[[np.random.Generator, int], np.ndarray],
    rows: int,
    mean_checks: tuple[float, float],
) -> None:
    """The mean of ten runs lies within half to one and a half of the measured delay, or so."""
    rng = np.random.default_rng(3)

    def changed() -> Counts:
        return profile.count(draw(rng, rows) | {feature: change(rng, rows)})

    delays = []
    for _ in range(10):
        state = DetectorState.fresh(plan)
        for _ in range(5):  # a healthy past is no hindrance
            state, _ = update(plan, state, profile.count(draw(rng, rows)))
        delays.append(checks_until_alarm(plan, changed, state=state))
    assert mean_checks[0] <= np.mean(delays) <= mean_checks[1]


def test_a_column_that_goes_missing_or_constant_is_found_at_once(profile: Profile, plan: DetectorPlan) -> None:
    rng = np.random.default_rng(3)
    gone = draw(rng, 200)
    del gone["delay"]
    stuck = draw(rng, 200) | {"delay": np.zeros(200)}
    for columns in (gone, stuck):
        _, reading = update(plan, DetectorState.fresh(plan), profile.count(columns))
        assert reading.alarm
        assert reading.ranked[0].name == "delay"
        assert reading.by_importance()[0].js > 0.2 or reading.by_importance()[0].name == "delay"


def test_an_alarm_names_the_feature_that_moved(profile: Profile) -> None:
    detector = Detector(profile)
    columns = draw(np.random.default_rng(3), 1000)
    columns["carrier"][:400] = "XX"
    _, reading = detector.update(detector.fresh(), profile.count(columns))
    assert reading.alarm
    assert reading.ranked[0].name == "carrier"
    assert reading.by_importance()[0].name == "carrier"
    parts = sum(math.exp(item.log_score - reading.evidence) for item in reading.ranked)
    assert parts == pytest.approx(1)


def test_a_feature_without_weight_is_shown_but_raises_no_alarm(profile: Profile) -> None:
    plan = DetectorPlan.build(profile, weights={"delay": 0, "gaps": 2, "carrier": 2})
    columns = draw(np.random.default_rng(3), 500) | {"delay": np.full(500, 9.0)}
    _, reading = update(plan, DetectorState.fresh(plan), profile.count(columns))
    assert not reading.alarm
    assert reading.ranked[-1].name == "delay"
    assert reading.ranked[-1].js > 0.5


def test_evidence_stays_finite_whatever_the_window(profile: Profile, plan: DetectorPlan) -> None:
    state = DetectorState.fresh(plan)
    for rows in (1, 1_000_000, 1):
        for value in (np.inf, np.nan):
            counts = np.zeros(profile.layout.offsets[-1], dtype=np.int64)
            counts[np.array(profile.layout.offsets[1:]) - (1 if np.isnan(value) else 2)] = rows
            state, reading = update(plan, state, Counts(profile.layout, rows, counts))
            assert math.isfinite(reading.evidence)
    assert read(plan, state).alarm


def test_columns_without_values_and_constants_do_not_disturb() -> None:
    columns = {"nothing": np.full(400, np.nan), "constant": np.ones(400), "text": np.array([None] * 400)}
    profile = Profile.from_columns(columns)
    plan = DetectorPlan.build(profile, checks_between_false_alarms=10_000)
    assert checks_until_alarm(plan, lambda: profile.counts) == 60
    _, reading = update(plan, DetectorState.fresh(plan), profile.count(columns | {"constant": np.zeros(400)}))
    assert reading.alarm


def test_drift_below_delta0_is_ignored(profile: Profile) -> None:
    rng = np.random.default_rng(3)
    tolerant = DetectorPlan.build(profile, delta0={"delay": 0.2})

    def shifted() -> Counts:
        columns = draw(rng, 1000)
        return profile.count(columns | {"delay": columns["delay"] + 0.1})

    assert checks_until_alarm(DetectorPlan.build(profile), shifted) < 20
    assert checks_until_alarm(tolerant, shifted) == 60


def test_independent_ticks_need_no_delta0(profile: Profile) -> None:
    rng = np.random.default_rng(3)
    ticks = [profile.count(draw(rng, 500)) for _ in range(100)]
    assert max(estimate_delta0(profile, ticks).values()) < 0.03


def test_a_daily_rhythm_learned_as_delta0_raises_no_alarm() -> None:
    rng = np.random.default_rng(3)

    def window(check: int) -> Columns:
        return {"load": rng.normal(0.3 * math.sin(2 * math.pi * check / 288), 1, size=50)}

    days = [window(check)["load"] for check in range(288 * 7)]
    profile = Profile.from_columns({"load": np.concatenate(days)})
    delta0 = estimate_delta0(profile, [profile.count({"load": rows}) for rows in days])
    assert delta0["load"] == pytest.approx(0.3, abs=0.05)  # the height of the wave, in sigmas

    def alarms(plan: DetectorPlan) -> int:
        state, found = DetectorState.fresh(plan), 0
        for check in range(288 * 3):
            state, reading = update(plan, state, profile.count(window(check)))
            if reading.alarm:
                state, found = DetectorState.fresh(plan), found + 1
        return found

    assert alarms(DetectorPlan.build(profile)) > 3
    assert alarms(DetectorPlan.build(profile, delta0=delta0)) == 0


def test_delta0_needs_ticks(profile: Profile) -> None:
    with pytest.raises(NoEvidence):
        estimate_delta0(profile, [profile.counts, Counts.empty(profile.layout)])


def test_configurations_without_meaning_are_refused(profile: Profile) -> None:
    with pytest.raises(InvalidStatistic, match="checks_between_false_alarms"):
        DetectorConfig(checks_between_false_alarms=0)
    with pytest.raises(InvalidStatistic, match="delta0"):
        DetectorConfig(delta0={"delay": -0.1})
    with pytest.raises(InvalidStatistic, match="weights"):
        DetectorConfig(weights={"delay": math.inf})
    with pytest.raises(InvalidStatistic, match="reference_sigmas"):
        DetectorConfig(reference_sigmas=-1)
    with pytest.raises(NoEvidence):
        DetectorPlan.build(profile, weights={"somebody else": 1.0})

"""Laws of a finding's life: answers are legal or change nothing, the last word stays, and no retraining outlives it."""

from copy import deepcopy
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import events as e
from runtime.domain.errors import Refused
from runtime.domain.findings import FINAL, Answer, FindingAnswered
from runtime.domain.model_state import FindingState
from runtime.domain.spec import RiskTier
from runtime.domain.verdict import Action, Verdict
from runtime.policy.budget import DETECTORS, MONTH, Exposure, thresholds
from runtime.policy.incidents import log_chance
from runtime.policy.triage import WAITING, Standing, standing
from tests.laws.any_events import MOMENTS, of_kind
from tests.unit.domain.lives import MODEL, MONDAY, History, a_finding, champion, digest

KEPT = a_finding("f1").model_copy(update={"evidence": digest("evidence")})
RETRAIN = e.VerdictReached(
    finding="f1", model=MODEL, verdict=Verdict(action=Action.RETRAIN, reason="x"), policy=digest("p"), as_of=MONDAY
)
START = History.of(*champion(), KEPT, RETRAIN)


@st.composite
def fitting(draw: st.DrawFn) -> FindingAnswered:
    """An answer to the finding that says what it must; whether it is a legal move hangs on those before."""
    said = draw(st.sampled_from(Answer))
    until = draw(MOMENTS) if said is Answer.SNOOZED else None
    return FindingAnswered(finding="f1", model=MODEL, answer=said, until=until, reason="looked at")


def lived(answers: list[FindingAnswered]) -> tuple[FindingState, list[Answer], History]:
    """The finding after those answers that were legal, and which they were."""
    history, legal = deepcopy(START), []
    for said in answers:
        before = deepcopy(history.state)
        try:
            history.record(said, "user:ada")
        except Refused:
            assert history.state == before
        else:
            legal.append(said.answer)
    finding = history.state.finding("f1")
    assert isinstance(finding, FindingState)
    return finding, legal, history


@settings(max_examples=100)
@given(answers=st.lists(fitting() | of_kind(FindingAnswered), max_size=8))
def test_nothing_is_said_after_the_last_word_and_no_retraining_outlives_it(answers: list[FindingAnswered]) -> None:
    finding, legal, history = lived(answers)
    assert not set(legal[:-1]) & FINAL
    ended = bool(legal) and legal[-1] in FINAL
    assert (history.model.due is None) is ended
    assert (None if finding.answered is None else finding.answered.answer) == (legal[-1] if legal else None)
    assert (finding.acknowledged_by is not None) is (Answer.ACKNOWLEDGED in legal)


@settings(max_examples=100)
@given(answers=st.lists(fitting(), max_size=5), now=MOMENTS)
def test_a_finding_waits_for_somebody_unless_it_ended_or_sleeps(answers: list[FindingAnswered], now: datetime) -> None:
    finding, legal, history = lived(answers)
    stands = standing(finding, history.model, now)
    if not legal:
        assert stands is Standing.OPEN
    elif legal[-1] in FINAL:
        assert stands.value == legal[-1].value
    else:
        assert stands in WAITING | {Standing.SNOOZED}
        until = None if finding.answered is None else finding.answered.until
        assert (stands is Standing.SNOOZED) is (until is not None and now < until)


EXPOSURES = st.builds(
    Exposure,
    tier=st.sampled_from(RiskTier),
    rows_a_day=st.floats(0, 1e9),
    every=st.timedeltas(min_value=MONTH / 10_000, max_value=MONTH),
)


@given(fleet=st.dictionaries(st.integers(0, 99).map(str), EXPOSURES, min_size=1), budget=st.floats(0.01, 1000))
def test_a_budget_holds_in_all_whatever_the_fleet(fleet: dict[str, Exposure], budget: float) -> None:
    found = thresholds(fleet, budget)
    assert found.keys() == fleet.keys()
    assert sum(DETECTORS * (MONTH / fleet[name].every) / checks for name, checks in found.items()) <= budget * 1.000001


@given(watched=st.integers(1, 10_000), share=st.floats(0, 1), rate=st.floats(1e-6, 0.99))
def test_more_alarms_are_less_likely_by_chance(watched: int, share: float, rate: float) -> None:
    alarmed = round(share * watched)
    chance = log_chance(watched, alarmed, rate)
    assert chance <= 0
    if alarmed < watched:
        assert log_chance(watched, alarmed + 1, rate) <= chance + 1e-9

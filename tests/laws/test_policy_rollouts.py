"""A rollout whose operator is killed at any step, hangs and wakes up late, while people and monitors act beside it.

However it goes, the state is legal after every entry, the same when the ledger is folded again, and each step that the
operator took is what the plan says of the entries before it.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.errors import Refused
from runtime.domain.fold import apply, fold
from runtime.domain.guards import Guard, GuardReading
from runtime.domain.lifecycle import Status
from runtime.domain.model_state import ModelState
from runtime.domain.routes import routes_after
from runtime.domain.state import FleetState
from runtime.domain.verdict import StepVerdict
from runtime.governance.writer import Receipt, Writer
from runtime.ledger.log import Log
from runtime.ledger.signing import SigningKey, sign_grant
from runtime.policy.plan import OPERATOR, plan
from runtime.policy.rollout import judge_running
from tests.unit.domain.lives import (
    MODEL,
    MONDAY,
    a_comparison,
    a_finding,
    a_report,
    a_spec,
    applied,
    declared,
    registered,
)

MONITOR, PERSON, JOB = "service:monitor", "user:ada", "job:train"
SPEC = a_spec(
    rollout=[{"shadow": 30}, {"canary": "10%", "for": 10}, {"blue_green": 10, "hold": "2d"}, {"full": True}],
    guardrail={"worse_by": 0.1, "failed": "2%", "watch": "30d"},
)
BROKEN = GuardReading(guard=Guard.FAILED, rows=50, value=0.5, limit=0.02, log_evidence=9.0, log_threshold=3.7)
MOVING = frozenset({Status.SHADOW, Status.CANARY})

with tempfile.TemporaryDirectory() as made:
    KEY = SigningKey.load_or_create(Path(made, "key"))


class Rollouts(RuleBasedStateMachine):
    """The ledger's writer, an operator that is not to be relied on, and everybody else."""

    def __init__(self) -> None:
        super().__init__()
        self._open = ExitStack()
        folder = self._open.enter_context(tempfile.TemporaryDirectory())
        self.log = self._open.enter_context(Log.open(f"sqlite:///{folder}/ledger.sqlite", lambda: MONDAY))
        self.writer = Writer(self.log, lambda grant: sign_grant(grant, KEY))
        self.number = 0
        self.hanging: list[tuple[Draft, ...]] = []
        """Plans of operators that were stopped before they recorded them."""

    def teardown(self) -> None:
        try:
            self._comes_to_rest()
            self._explains_itself()
        finally:
            self._open.close()

    @property
    def state(self) -> FleetState:
        return self.writer.state

    @property
    def model(self) -> ModelState:
        return self.state.model(MODEL)

    def tell(self, event: e.Event, by: str) -> bool:
        """Whether the event was legal; what is refused changes nothing."""
        self.number += 1
        ((answer,),) = self.writer.commit([[Draft(event, by, f"event-{self.number}")]])
        return isinstance(answer, Receipt)

    @initialize()
    def begin(self) -> None:
        assert self.tell(applied(SPEC), JOB)
        assert self.tell(declared(), JOB)
        self.a_version_is_built()
        self.the_operator_acts(left_out=0)
        self.the_operator_acts(left_out=0)
        assert self.model.champion == 1

    # --- others ------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.versions) < 5)
    @rule()
    def a_version_is_built(self) -> None:
        number = self.model.next_version
        assert self.tell(registered(number), JOB)
        assert self.tell(e.VersionEvaluated(model=MODEL, version=number, report=a_report()), JOB)
        assert self.model.version(number).signed is not None, "approved by policy, and granted"

    @precondition(lambda self: self.model.rollout is not None)
    @rule(challenger=st.sampled_from([9.0, 99.0]), is_broken=st.booleans(), back=st.sampled_from([0, 0, 0, 1]))
    def the_monitor_measures(self, challenger: float, is_broken: bool, back: int) -> None:
        running = self.model.rollout
        assert running is not None
        is_broken = is_broken or running.measured is not None  # a step is judged once, and once more if a guard breaks
        event = e.RolloutMeasured(
            model=MODEL,
            version=running.version,
            step=max(running.step - back, 0),
            comparison=a_comparison(challenger),
            guards=(BROKEN,) if is_broken else None,
            as_of=self.state.ticks_until,
        )
        assert self.tell(event, MONITOR) == (event.step == running.step)

    @rule(days=st.integers(1, 3))
    def ticks_are_closed(self, days: int) -> None:
        until = max(self.state.ticks_until, MONDAY) + timedelta(days=days)
        self.tell(e.TicksClosed(until=until, ticks=1, decisions=0, outcomes=0), MONITOR)

    @rule(recent=st.sampled_from([10.0, 15.0]))
    def errors_are_found(self, recent: float) -> None:
        found = a_finding(f"finding-{self.number}", recent=recent, as_of=max(self.state.ticks_until, MONDAY))
        self.tell(found.model_copy(update={"version": self.model.champion}), MONITOR)

    @precondition(lambda self: self.model.rollout is not None)
    @rule(kind=st.sampled_from([e.RolloutPaused, e.RolloutResumed, e.RolloutAborted, e.VersionPromoted]))
    def a_person_acts(self, kind: type[e.RolloutPaused | e.RolloutAborted]) -> None:
        running = self.model.rollout
        assert running is not None
        self.tell(kind(model=MODEL, version=running.version, reason="a person's reason"), PERSON)

    @precondition(lambda self: bool(self.model.former))
    @rule()
    def a_person_rolls_back(self) -> None:
        champion = self.model.champion
        assert champion is not None
        self.tell(e.RolledBack(model=MODEL, version=champion, to=self.model.former[-1], reason="complaints"), PERSON)

    # --- the operator ------------------------------------------------------------------------------

    @rule(left_out=st.integers(0, 2))
    def the_operator_acts(self, left_out: int) -> None:
        """It may be killed after its first moves; who comes after it knows nothing of them, and records all again."""
        moves = plan(self.state).moves
        done = moves[: len(moves) - left_out]
        if done:
            (answers,) = self.writer.commit([done])
            assert all(isinstance(answer, Receipt) for answer in answers), answers
        before = deepcopy(self.state)
        if done:
            (answers,) = self.writer.commit([done])
            assert all(isinstance(answer, Receipt) and answer.repeated for answer in answers)
        assert self.state == before, "what was recorded is recorded once"

    @rule()
    def the_operator_hangs(self) -> None:
        """It has planned, and is stopped before it records."""
        moves = plan(self.state).moves
        if moves:
            self.hanging.append(moves)

    @precondition(lambda self: bool(self.hanging))
    @rule()
    def an_operator_wakes_up(self) -> None:
        """What it planned long ago is recorded where it is still legal, and refused else."""
        (answers,) = self.writer.commit([self.hanging.pop(0)])
        assert all(isinstance(answer, Receipt | Refused) for answer in answers), answers

    @precondition(lambda self: self.model.rollout is not None)
    @rule(meanwhile=st.sampled_from(["paused", "broken", "ended"]))
    def something_happens_between_its_plan_and_its_record(self, meanwhile: str) -> None:
        self.the_monitor_measures(challenger=9.0, is_broken=False, back=0)
        moves = plan(self.state).moves
        if meanwhile == "broken":
            self.the_monitor_measures(challenger=9.0, is_broken=True, back=0)
        else:
            self.a_person_acts(e.RolloutPaused if meanwhile == "paused" else e.RolloutAborted)
        if moves:
            (answers,) = self.writer.commit([moves])
            assert all(isinstance(answer, Receipt | Refused) for answer in answers), answers

    # --- laws --------------------------------------------------------------------------------------

    @invariant()
    def one_champion_serves_and_one_challenger_at_most_is_rolled_out(self) -> None:
        if MODEL not in self.state.models:
            return
        statuses = {number: version.status for number, version in self.model.versions.items()}
        crowned = [number for number, status in statuses.items() if status is Status.CHAMPION]
        assert crowned == ([] if self.model.champion is None else [self.model.champion])
        moving = [number for number, status in statuses.items() if status in MOVING]
        running = self.model.rollout
        assert moving in ([], [running.version] if running else [])
        assert running is None or statuses[running.version] in MOVING | {Status.APPROVED}
        if crowned:
            assert self.model.version(crowned[0]).approval is not None
            (route,) = routes_after(self.state, "default", 0, 0).routes
            assert route.champion is not None
            assert (route.challenger is None) == (running is None or running.current.stage is e.Stage.FULL)

    def _comes_to_rest(self) -> None:
        for _ in range(30):
            moves = plan(self.state).moves
            if not moves:
                return
            self.writer.commit([moves])
        raise AssertionError("the operator does not come to rest")

    def _explains_itself(self) -> None:
        entries = list(self.log.entries())
        assert fold(entries) == self.state
        state = FleetState()
        for entry in entries:
            event = entry.event
            if entry.principal == OPERATOR and isinstance(
                event, e.RolloutAdvanced | e.VersionPromoted | e.RolloutAborted
            ):
                running = state.model(MODEL).rollout
                assert running is not None
                verdict, _ = judge_running(SPEC, running, state.ticks_until)
                ended = isinstance(event, e.RolloutAborted)
                assert verdict is (StepVerdict.ABORT if ended else StepVerdict.ADVANCE), (entry.seq, event, running)
            if entry.principal == OPERATOR and isinstance(event, e.RolledBack):
                assert "still watched" in event.reason
            assert getattr(event, "reason", "said") or entry.principal != OPERATOR
            apply(state, entry)


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking replays a ledger a thousand times
)

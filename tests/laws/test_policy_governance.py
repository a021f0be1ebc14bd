"""Laws of the writer and the operator's plan: batching does not matter, ledgers replay, plans come to rest."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.fold import fold
from runtime.domain.ids import derived_id
from runtime.domain.tokens import Role
from runtime.governance.writer import Receipt, Writer
from runtime.ledger.log import Log
from runtime.ledger.signing import SigningKey, sign_grant
from runtime.policy.access import _ALLOWED, roles_of
from runtime.policy.plan import plan
from tests.laws.any_events import DECLARED, EVENTS, of_kinds
from tests.unit.domain.lives import MODEL, MONDAY, a_report

NUMBERS = st.integers(0, 60)
PRINCIPALS = ("user:ada", "user:bob", "job:train", "service:operator", "service:monitor", "service:replica:1", "nobody")
OFTEN = of_kinds([e.VersionRegistered, e.ApprovalGiven, e.RolloutMeasured, e.FindingOpened, e.RolledBack])


def passing(version: int) -> e.VersionEvaluated:
    return e.VersionEvaluated(model=MODEL, version=version, report=a_report())


with tempfile.TemporaryDirectory() as made:
    KEY = SigningKey.load_or_create(Path(made, "key"))


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """Mostly somebody who may, sometimes anybody; ids repeat now and then."""
    event = draw(OFTEN | st.integers(1, 3).map(passing) | EVENTS)
    able = [who for who in PRINCIPALS if any(isinstance(event, _ALLOWED[role]) for role in roles_of(who))]
    return Draft(event, draw(st.sampled_from(able or PRINCIPALS) | st.sampled_from(PRINCIPALS)), str(draw(NUMBERS)))


@contextmanager
def a_writer() -> Iterator[tuple[Log, Writer]]:
    with tempfile.TemporaryDirectory() as folder, Log.open(f"sqlite:///{folder}/ledger.sqlite", lambda: MONDAY) as log:
        yield log, writer_of(log)


def writer_of(log: Log) -> Writer:
    writer = Writer(log, lambda grant: sign_grant(grant, KEY))
    writer.commit([[Draft(event, "job:train", derived_id("declared", at)) for at, event in enumerate(DECLARED)]])
    return writer


@settings(max_examples=25)
@given(commands=st.lists(drafts(), max_size=25), cuts=st.lists(st.integers(0, 25), max_size=4))
def test_how_drafts_are_batched_changes_nothing(commands: list[Draft], cuts: list[int]) -> None:
    with a_writer() as (log, writer):
        (together,) = writer.commit([commands])
        root = log.root
    with a_writer() as (log, writer):
        apart = []
        bounds = [0, *sorted(cut for cut in cuts if cut < len(commands)), len(commands)]
        for start, end in pairwise(bounds):
            for answers in writer.commit([[draft] for draft in commands[start:end]]):
                apart += answers
        assert log.root == root
    assert [repr(answer) for answer in apart] == [repr(answer) for answer in together]


@settings(max_examples=25)
@given(commands=st.lists(drafts(), max_size=25))
def test_a_ledger_replays_into_the_state_it_was_written_from(commands: list[Draft]) -> None:
    with a_writer() as (log, writer):
        (answers,) = writer.commit([commands])
        assert fold(log.entries()) == writer.state
        root = log.root
        # Sent again, what was recorded is answered with its old place. What was refused may be legal by now.
        again = Writer(log, lambda grant: sign_grant(grant, KEY))
        kept = [draft for draft, answer in zip(commands, answers, strict=True) if isinstance(answer, Receipt)]
        (repeated,) = again.commit([kept])
        assert all(isinstance(answer, Receipt) and answer.repeated for answer in repeated)
        assert log.root == root


def served_without_consent(events: Iterable[e.Event]) -> set[tuple[str, int]]:
    """Versions that were promoted before a policy or people approved them."""
    approved: set[tuple[str, int]] = set()
    found = set()
    for event in events:
        if isinstance(event, e.VersionApproved):
            approved.add((event.model, event.version))
        if isinstance(event, e.VersionPromoted) and (event.model, event.version) not in approved:
            found.add((event.model, event.version))
    return found


@settings(max_examples=25)
@given(rounds=st.lists(st.lists(drafts(), max_size=8), max_size=5))
def test_the_operator_comes_to_rest_and_promotes_nothing_that_was_not_approved(rounds: list[list[Draft]]) -> None:
    with a_writer() as (log, writer):
        for commands in rounds:
            writer.commit([commands])
            for _ in range(20):
                moves = plan(writer.state).moves
                if not moves:
                    break
                (answers,) = writer.commit([moves])
                assert all(isinstance(answer, Receipt) for answer in answers), answers
            assert not plan(writer.state).moves
        assert not served_without_consent([entry.event for entry in log.entries()])


def test_no_role_but_the_governors_approves_a_version() -> None:
    assert [role for role, kinds in _ALLOWED.items() if e.VersionApproved in kinds] == [Role.GOVERNOR]

"""A governor's writer over a ledger in a folder, and short ways to give it commands."""

from __future__ import annotations

from pathlib import Path

from runtime.domain import events as e
from runtime.domain.entry import Draft
from runtime.domain.errors import Refused
from runtime.governance.writer import Answer, Writer
from runtime.ledger.log import Log
from runtime.ledger.signing import SigningKey, sign_grant
from tests.unit.domain.lives import MONDAY

JOB = "job:train"


class Desk:
    """The time is the test's: ``now``."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'ledger.sqlite'}"
        self.now = MONDAY
        self.key = SigningKey.load_or_create(folder / "key")
        self.log = Log.open(self.url, lambda: self.now)
        self.writer = Writer(self.log, lambda grant: sign_grant(grant, self.key))

    def give(self, *drafts: Draft) -> list[Answer]:
        (answers,) = self.writer.commit([drafts])
        return answers

    def record(self, event: e.Event, by: str = JOB) -> Answer:
        (answer,) = self.give(Draft.fresh(event, by))
        return answer

    def kinds(self, since: int = 0) -> list[str]:
        return [entry.kind for entry in self.log.entries(since)]

    def last(self) -> e.Event:
        return next(self.log.entries(self.log.size - 1)).event


def refusal(answer: Answer) -> str:
    """The reason of a command that was refused."""
    assert isinstance(answer, Refused), answer
    return answer.reason

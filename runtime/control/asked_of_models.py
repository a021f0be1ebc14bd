"""Commands about models and findings whose events hang on what is so."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field, TypeAdapter, ValidationError

from runtime.control.wanted import Given, Reason, Wanted, built
from runtime.domain.base import Document
from runtime.domain.errors import Refused, SchemaMismatch
from runtime.domain.events import RolledBack, RolloutAborted
from runtime.domain.findings import Answer, FindingAnswered
from runtime.domain.ids import VersionNumber
from runtime.domain.keeping import LegalHoldPlaced
from runtime.domain.state import FindingState, ModelState
from runtime.domain.terms import Duration

_DURATION: TypeAdapter[object] = TypeAdapter(Duration)


class Back(Document):
    """To which former champion; to the one before where nothing is said."""

    to: VersionNumber | None = None
    reason: Reason


class Said(Document):
    """To a finding. ``snooze`` goes with ``snoozed``: for so long (``7d``) or until a date, in the data's time."""

    answer: Answer
    snooze: str | None = Field(default=None, max_length=64)
    reason: Reason


def rolled_back(given: Given) -> Wanted:
    """Raises ``Refused`` where there is nothing to go back from, or to."""
    name = given.places["model"]
    with given.standing.now() as state:
        model = state.model(name)
    champion, to = back_from(model, given.body.to)
    values = {"model": name, "version": champion, "to": to, "reason": given.body.reason}
    return Wanted(built(RolledBack, values))


def back_from(model: ModelState, to: int | None) -> tuple[int, int]:
    """The champion, and the former one to go back to. Raises ``Refused``."""
    if model.champion is None:
        raise Refused(f"roll back {model.name}", "it has no champion")
    back = to if to is not None else next(reversed(model.former), None)
    if back is None:
        raise Refused(
            f"roll back {model.name}", f"version {model.champion} is its first champion; there is none before"
        )
    return model.champion, back


def aborted(given: Given) -> Wanted:
    """Raises ``Refused`` where no rollout runs."""
    name = given.places["model"]
    with given.standing.now() as state:
        running = state.model(name).rollout
    if running is None:
        raise Refused(f"end of a rollout of {name}", "none is running")
    return Wanted(built(RolloutAborted, {"model": name, "version": running.version, "reason": given.body.reason}))


def held(given: Given) -> Wanted:
    """The next hold."""
    with given.standing.now() as state:
        number = len(state.holds) + 1
    return Wanted(built(LegalHoldPlaced, {"hold": number, **given.places, "reason": given.body.reason}))


def answered(given: Given) -> Wanted:
    """Raises ``UnknownFinding``."""
    with given.standing.now() as state:
        found, now = state.finding(given.places["finding"]), state.ticks_until
    is_finding = isinstance(found, FindingState)
    values = {
        "finding": found.opened.finding if isinstance(found, FindingState) else found.opened.incident,
        "model": found.opened.model if is_finding and isinstance(found, FindingState) else None,
        "answer": given.body.answer,
        "until": None if given.body.snooze is None else until(given.body.snooze, max(now, found.opened.as_of)),
        "reason": given.body.reason,
    }
    return Wanted(built(FindingAnswered, values))


def until(text: str, now: datetime) -> datetime:
    """A moment of data time after ``now``, from a duration or a date. Raises ``SchemaMismatch``."""
    try:
        return now + TypeAdapter(Duration).validate_python(text)
    except (ValidationError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SchemaMismatch("body.snooze", repr(text), "a duration such as 7d, or a date") from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if moment <= now:
        raise SchemaMismatch("body.snooze", text, f"a time after the data's, which is {now:%Y-%m-%d %H:%M}")
    return moment

"""Commands about models and findings whose events hang on what is so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import Field, TypeAdapter, ValidationError

from runtime.control.wanted import Given, Reason, Wanted, built
from runtime.domain.base import Document
from runtime.domain.errors import Refused, SchemaMismatch
from runtime.domain.events import (
    ApprovalGiven,
    BreakGlassOpened,
    Event,
    Fitness,
    ModelRetired,
    RenewalRefused,
    RetirementAnnounced,
    RolledBack,
    VersionRefused,
)
from runtime.domain.findings import Answer, FindingAnswered
from runtime.domain.ids import ModelName, VersionNumber
from runtime.domain.keeping import LegalHoldPlaced
from runtime.domain.model_state import FindingState, ModelState
from runtime.domain.terms import Duration

_DURATION: TypeAdapter[object] = TypeAdapter(Duration)


class Back(Document):
    """To which former champion; to the one before where nothing is said."""

    to: VersionNumber | None = None
    reason: Reason


class Consent(Document):
    """To a version as it was tested. ``card``: the model card was read; ``role``: in which, where several are asked."""

    reason: Reason = "looked at and agreed"
    role: str | None = Field(default=None, max_length=64)
    card: bool = False
    conditions: tuple[Reason, ...] | None = Field(default=None, min_length=1, max_length=50)


class Retirement(Document):
    """Of a model after a notice (``0d``: at once), in favour of another or of none."""

    reason: Reason
    notice: Duration = timedelta(days=30)
    successor: ModelName | None = None


class Emergency(Document):
    """A version is to serve without its approval, for so long."""

    reason: Reason
    valid_for: Duration = timedelta(hours=1)


class Judgement(Document):
    """Whether a model is fit for its use."""

    found: Fitness
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


def of_rollout(kind: Callable[..., Event]) -> Callable[[Given], Wanted]:
    """Commands about the rollout that runs. Raises ``Refused`` where none does."""

    def wants(given: Given) -> Wanted:
        name = given.places["model"]
        with given.standing.now() as state:
            running = state.model(name).rollout
        if running is None:
            raise Refused(f"acting on the rollout of {name}", "none is running")
        return Wanted(built(kind, {"model": name, "version": running.version, "reason": given.body.reason}))

    return wants


def consented(given: Given) -> Wanted:
    """To a version that waits, or to one that is to serve for longer; ``card`` names the card by its digest."""
    name, number = given.places["model"], given.places["version"]
    with given.standing.now() as state:
        card = state.model(name).version(number).registered.card if given.body.card else None
    said = given.body.model_dump(exclude_none=True, exclude={"card"})
    return Wanted(built(ApprovalGiven, {**given.places, **said, **({} if card is None else {"card": card})}))


def rejected(given: Given) -> Wanted:
    """Of a version that serves, that it does so for longer."""
    with given.standing.now() as state:
        request = state.model(given.places["model"]).version(given.places["version"]).request
    kind = VersionRefused if request is None or not request.renewal else RenewalRefused
    return Wanted(built(kind, {**given.places, "reason": given.body.reason}))


def retired(given: Given) -> Wanted:
    """At once, or after a notice that is told with every answer until then."""
    body, name = given.body, given.places["model"]
    said = {"model": name, "reason": body.reason, "successor": body.successor}
    if not body.notice:
        return Wanted(built(ModelRetired, said))
    until = (datetime.now(UTC) + body.notice).replace(microsecond=0)
    return Wanted(built(RetirementAnnounced, {**said, "until": until}))


def glass_broken(given: Given) -> Wanted:
    """One person's word; another signs."""
    seconds = int(given.body.valid_for.total_seconds())
    return Wanted(built(BreakGlassOpened, {**given.places, "reason": given.body.reason, "valid_seconds": seconds}))


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

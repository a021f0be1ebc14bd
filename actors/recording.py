"""How a job records what it did: idempotent by job and subject, refused loudly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from actors.connect import governor
from actors.credentials import credential_of
from actors.quiescence import ask
from runtime.domain.entry import Draft
from runtime.domain.errors import FleetwardError
from runtime.domain.events import Event
from runtime.domain.ids import derived_id
from runtime.domain.packed import Packed
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.governance.writer import Receipt


def record(events: Iterable[Event], principal: str, *key: object) -> list[Receipt]:
    """Records the events in one command, under keys made of ``key``, the principal, and what each event is about.

    Raises the first refusal; the events that were not refused stand.
    """
    drafts = [Draft(event, principal, derived_id(event.kind, principal, *key, *_subject(event))) for event in events]
    if not drafts:
        return []
    answers = ask(governor().record.remote, Packed(drafts), credential_of(principal, Settings.from_environment()))
    for answer in answers:
        if isinstance(answer, FleetwardError):
            raise answer
    return [answer for answer in answers if not isinstance(answer, FleetwardError)]


def _subject(event: Event) -> list[object]:
    return [str(getattr(event, name)) for name in ("model", "version", "partition") if hasattr(event, name)]

"""Erases a data subject: the keys its records are sealed under, and the salts its pseudonyms come from.

    find the pseudonyms            by the subject's HMAC; those of an erasure that was cut off too
    count their records            in sealed segments
    entry subject_erasure_ordered  <- the governor refuses it where a legal hold covers one of the models
    destroy salt and key           ``runtime.storage.keyring``, which marks whom it is about first
    entry subject_erased           one a pseudonym
    remove the mark

Why in this order. The hold is asked before anything is destroyed, and by the one writer, so that its refusal stands in
the ledger. The entry that says "erased" comes after the destruction: killed in between, a key is gone without an entry,
which the next run of the same command writes, since the mark still tells it the pseudonym; never is there an entry
whose key lives. The order alone claims nothing: it is an intention, and shows which erasures were not finished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple, Protocol

from runtime.domain.entry import Draft
from runtime.domain.erasure import ErasurePart, SubjectErased, SubjectErasureOrdered
from runtime.domain.errors import FleetwardError
from runtime.domain.events import SegmentContent, SegmentSealed
from runtime.domain.ids import derived_id
from runtime.domain.state import ErasureState
from runtime.governance.writer import Receipt
from runtime.storage.keyring import Keyring
from runtime.storage.objects import ObjectMissing, ObjectStore
from runtime.storage.segment_columns import OF_SUBJECT
from runtime.storage.segments import read_segment

SKEW = timedelta(minutes=10)
"""How far the clock of the node that made a key may lie from that of one that recorded under it."""


class SubjectUnknown(FleetwardError):
    """No key is there to destroy. Says of which models, never of whom."""

    status: ClassVar[int] = 404

    def __init__(self, models: tuple[str, ...]) -> None:
        super().__init__(models)
        self.models = models

    def __str__(self) -> str:
        of = self.models[0] if len(self.models) == 1 else f"any of {len(self.models)} models"
        return (
            f"this subject has no key towards {of}: no request named it, or it is erased already "
            "(fleetward history --kind subject_erased); it is looked for letter by letter"
        )


class Governing(Protocol):
    """What of the governor an erasure needs."""

    def erasures(self) -> list[ErasureState]: ...
    def record(self, draft: Draft) -> Receipt: ...


class Target(NamedTuple):
    """A pseudonym to be erased; ``since`` is None where its key is destroyed already."""

    model: str
    pseudonym: str
    since: datetime | None


class Erased(NamedTuple):
    """A pseudonym whose key is gone, and the entry that says so."""

    model: str
    pseudonym: str
    records: int
    seq: int


Count = Callable[[Collection[Target]], Mapping[str, int]]
"""Records of each pseudonym."""


def targets_of(keyring: Keyring, subject: str, models: Iterable[str]) -> list[Target]:
    """The subject's pseudonyms in these models. Raises ``SubjectUnknown``, ``KeyringUnavailable``."""
    asked = tuple(models)
    found = [Target(model, name.pseudonym, name.since) for model in asked for name in keyring.names(model, subject)]
    if not found:
        raise SubjectUnknown(asked)
    return found


def erase(keyring: Keyring, subject: str, targets: list[Target], governed: Governing, order: Order) -> Iterator[Erased]:
    """Erase them, one after the other: first those that were ordered before and not finished, which no hold stops.

    Raises the governor's refusal of the others, before any of them is destroyed. Safe to repeat, and after any fault:
    find the targets again, and erase those.
    """
    known = {each.pseudonym: each for each in governed.erasures()}
    fresh = [target for target in targets if target.pseudonym not in known]
    for target in targets:
        if target.pseudonym in known:
            yield _finished(keyring, subject, known[target.pseudonym], governed, order.principal)
    if fresh:
        governed.record(order.draft(fresh))
        known = {each.pseudonym: each for each in governed.erasures()}
    for target in fresh:
        yield _finished(keyring, subject, known[target.pseudonym], governed, order.principal)


def _finished(keyring: Keyring, subject: str, ordered: ErasureState, governed: Governing, principal: str) -> Erased:
    """What was ordered, done."""
    keyring.destroy(ordered.model, subject, ordered.pseudonym)
    seq = ordered.erased
    if seq is None:
        event = SubjectErased(
            model=ordered.model, pseudonym=ordered.pseudonym, records=ordered.records, reason=ordered.reason
        )
        seq = governed.record(Draft(event, principal, derived_id(event.kind, event.pseudonym))).seq
    keyring.forget(ordered.model, subject, ordered.pseudonym)
    return Erased(ordered.model, ordered.pseudonym, ordered.records, seq)


@dataclass(frozen=True, slots=True)
class Order:
    """Who orders an erasure, why, and how its records are counted."""

    principal: str
    reason: str
    count: Count

    def draft(self, targets: list[Target]) -> Draft:
        """The entry that the governor may refuse."""
        records = self.count(targets)
        parts = tuple(
            ErasurePart(model=each.model, pseudonym=each.pseudonym, records=records.get(each.pseudonym, 0))
            for each in targets
        )
        event = SubjectErasureOrdered(parts=parts, reason=self.reason)
        return Draft(event, self.principal, derived_id(event.kind, *sorted(each.pseudonym for each in targets)))


def counted(targets: Collection[Target], segments: Iterable[SegmentSealed], store: ObjectStore) -> Counter[str]:
    """Records of each pseudonym in these segments, less those whose bodies are deleted."""
    wanted = {target.pseudonym for target in targets}
    times = [target.since for target in targets]
    since = None if None in times else min(time for time in times if time is not None) - SKEW
    found: Counter[str] = Counter()
    for segment in segments:
        if segment.content is SegmentContent.DECISIONS and (since is None or segment.last_time >= since):
            try:
                table = read_segment(store, segment.digest, [OF_SUBJECT[0]])
            except ObjectMissing:
                continue
            if table.num_columns:
                found.update(name for name in table[OF_SUBJECT[0]].to_pylist() if name in wanted)
    return found

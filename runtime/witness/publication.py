"""How a ledger's checkpoints come out and how far outsiders hold them, as people and programs are told it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Self

from runtime.domain.base import Document, Moment
from runtime.domain.errors import IntegrityError
from runtime.ledger.proofs import PublishedCheckpoint


class Outsider(Document):
    """How far an outsider has come: what is below ``handed`` can no longer be rewritten unnoticed."""

    name: str
    handed: int
    failure: str
    contradiction: str


class Publication(Document):
    """The ledger's size, its newest checkpoint, why there is no newer one, and the outsiders.

    ``refused`` is set when that reason is one of integrity: the database contradicts what was signed.
    """

    entries: int
    published: int = 0
    published_at: Moment | None = None
    failure: str = ""
    refused: bool = False
    outsiders: tuple[Outsider, ...] = ()

    @classmethod
    def of(
        cls,
        entries: int,
        newest: PublishedCheckpoint | None,
        failure: Exception | None = None,
        outsiders: Sequence[Outsider] = (),
    ) -> Self:
        """What a governor knows, or a reader of the database, who knows of no failure and no outsider."""
        return cls(
            entries=entries,
            published=0 if newest is None else newest.size,
            published_at=None if newest is None else newest.time,
            failure="" if failure is None else f"{failure}",
            refused=isinstance(failure, IntegrityError),
            outsiders=tuple(outsiders),
        )

    def age_seconds(self, now: datetime) -> float | None:
        """How old the newest checkpoint is; a ledger that does not grow gets no newer one."""
        return None if self.published_at is None else max(0.0, (now - self.published_at).total_seconds())

    def behind(self, outsider: Outsider) -> int:
        """Published entries that an outsider does not hold yet."""
        return max(0, self.published - outsider.handed)

    def alarms(self) -> Iterator[str]:
        """What says that history was rewritten, in sentences."""
        if self.refused:
            yield f"the ledger contradicts its checkpoints: {self.failure}"
        for outsider in self.outsiders:
            if outsider.contradiction:
                yield f"{outsider.name} contradicts the ledger: {outsider.contradiction}"

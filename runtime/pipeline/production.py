"""Where decisions are recorded, and what the ledger says of them: whose they are, where they lie, what is gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from runtime.domain import events as e
from runtime.domain.errors import DataError
from runtime.domain.ids import Digest
from runtime.domain.keeping import BodiesDeleted
from runtime.domain.schema import Schema
from runtime.ledger.errors import LedgerUnavailable
from runtime.ledger.log import Log, LogReader
from runtime.storage.objects import ObjectStore

_KINDS = ("model_declared", "version_registered", "segment_sealed", "bodies_deleted", "subject_erased")


@dataclass(frozen=True, slots=True)
class Past:
    """A ledger of so many ``entries``, as far as rows are read by it.

    ``models``: how each was declared. ``schemas``: what a version takes, by model and number. ``deleted``: segments
    whose bodies are, with the models in them. ``erased``: pseudonyms.
    """

    entries: int
    root: str
    models: Mapping[str, e.ModelDeclared]
    schemas: Mapping[tuple[str, int], Schema]
    segments: tuple[e.SegmentSealed, ...]
    deleted: Mapping[Digest, Collection[str]]
    erased: frozenset[str]


@dataclass(frozen=True, slots=True)
class Production:
    """A ledger, by its database's URL, and the store that holds its segments."""

    database: str = field(repr=False)  # it may hold a password
    store: ObjectStore

    def past(self, source: str) -> Past:
        """The ledger as it is now. Raises ``DataError`` about ``source`` if it cannot be read, ``LedgerCorrupt``."""
        try:
            log = Log.open_read_only(self.database)
        except LedgerUnavailable as error:
            raise DataError(source, f"the ledger that names them cannot be read: {error}") from error
        with log:
            return _read(log)


def _read(log: LogReader) -> Past:
    size, root = log.head()
    models: dict[str, e.ModelDeclared] = {}
    schemas: dict[tuple[str, int], Schema] = {}
    deleted: dict[Digest, Collection[str]] = {}
    segments: list[e.SegmentSealed] = []
    erased: set[str] = set()
    for entry in log.entries(kinds=_KINDS):
        if entry.seq >= size:  # it came while this was read
            break
        event = entry.event
        if isinstance(event, e.ModelDeclared):
            models[event.model] = event
        elif isinstance(event, e.VersionRegistered):
            schemas[event.model, event.version] = event.schema_
        elif isinstance(event, e.SegmentSealed):
            segments.append(event)
        elif isinstance(event, BodiesDeleted):
            deleted |= dict.fromkeys(event.digests, event.models)
        elif isinstance(event, e.SubjectErased):
            erased.add(event.pseudonym)
    return Past(size, root.hex(), models, schemas, tuple(segments), deleted, frozenset(erased))

"""A ledger's records through the monitor again: with the settings they had, or with others that are to be tried.

The fold is the live one (``fold``), fed with the ledger's own entries; what it finds is kept, and nothing is recorded.
Champions change, answers of people count and outcomes arrive where the ledger has them. Of several workers each takes
its share of the models, as several monitors do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from runtime.domain import events as e
from runtime.domain.entry import Entry
from runtime.domain.errors import IntegrityError
from runtime.domain.spec import Spec
from runtime.domain.watched import Monitoring
from runtime.monitoring.fold import Monitor
from runtime.monitoring.shards import Shard
from runtime.storage.objects import ObjectMissing


@dataclass(frozen=True, slots=True)
class Share(Shard):
    """A worker's part of the models, or of those that were chosen."""

    chosen: frozenset[str] | None = None

    def owns(self, model: str) -> bool:
        """Whether the model is one of them."""
        return (self.chosen is None or model in self.chosen) and Shard.owns(self, model)


@dataclass(slots=True)
class Again:
    """What was found, and how many entries named a segment or baseline that cannot be read any more."""

    findings: list[e.FindingOpened] = field(default_factory=list)
    unreadable: int = 0


def again(entries: Iterable[Entry], monitor: Monitor, tried: Mapping[str, Monitoring] | None = None) -> Again:
    """The findings of all entries; ``tried`` are settings by the name of the spec.

    Raises what a store that is away raises.
    """
    found = Again()
    for entry in entries:
        taken = _with(entry, tried or {})
        try:
            drafts = monitor.apply(taken)
        except (IntegrityError, ObjectMissing):
            found.unreadable += 1
            drafts = monitor.apply_without_data(taken)
        found.findings += [draft.event for draft in drafts if isinstance(draft.event, e.FindingOpened)]
    return found


def _with(entry: Entry, tried: Mapping[str, Monitoring]) -> Entry:
    """The entry, with other settings of the monitor where it applies a spec that is tried."""
    event = entry.event
    if not isinstance(event, e.SpecApplied) or event.name not in tried:
        return entry
    spec = Spec.model_validate({**event.spec, "monitor": tried[event.name].as_document()})
    return replace(entry, event=e.SpecApplied(name=event.name, digest=spec.digest, spec=spec.as_document()))

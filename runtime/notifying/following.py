"""From the ledger to the outbox: each entry once, whatever happens between.

Who answers for a model is known from its spec; so the specs and models before the position are read first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from runtime.domain.entry import Entry
from runtime.domain.events import ModelDeclared, SpecApplied
from runtime.ledger.log import LogReader
from runtime.notifying.message import message, model_of
from runtime.notifying.outbox import Message, Outbox
from runtime.notifying.severity import severity_of
from runtime.notifying.subscriptions import Notify, Subscription

PAGE = 500
_OWNERSHIP = ("spec_applied", "model_declared")


@dataclass(slots=True)
class Owners:
    """Who answers for each model: team, contact, and person where one is named."""

    specs: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """The next entry."""
        event = entry.event
        if isinstance(event, SpecApplied):
            owner = event.spec.get("owner", {})
            named = frozenset(str(owner[name]) for name in ("team", "contact", "person") if owner.get(name))
            self.specs[event.name] = (str(owner.get("team", "")), named)
        elif isinstance(event, ModelDeclared):
            self.models[event.model] = event.spec

    def of(self, event: object) -> tuple[str, frozenset[str]]:
        """The team, and all the names that are subscribed to by; of a spec's own entries too."""
        model = model_of(event)
        spec = self.models.get(model, "") if model is not None else getattr(event, "spec", None)
        return self.specs.get(spec, ("", frozenset())) if isinstance(spec, str) else ("", frozenset())


class Follower:
    """Takes the ledger in from where the outbox says that it was left; from its end at the very first start."""

    def __init__(self, log: LogReader, outbox: Outbox, notify: Notify, origin: str) -> None:
        self._log, self._outbox, self._notify, self._origin = log, outbox, notify, origin
        self._owners = Owners()
        position = outbox.position()
        self._position = log.size if position is None else position
        if position is None:
            outbox.take([], self._position)
        for entry in log.entries(kinds=_OWNERSHIP):
            if entry.seq >= self._position:
                break
            self._owners.take(entry)

    @property
    def position(self) -> int:
        """The next entry that it reads."""
        return self._position

    def step(self, now: float) -> int:
        """Takes what is there, a page at most; how many entries."""
        entries = list(self._log.entries(self._position, PAGE))
        messages = []
        for entry in entries:
            self._owners.take(entry)
            messages += list(self._messages(entry, now))
        if entries:
            self._outbox.take(messages, entries[-1].seq + 1)
            self._position = entries[-1].seq + 1
        return len(entries)

    def _messages(self, entry: Entry, now: float) -> Iterator[Message]:
        """One for each channel: by itself if any of its subscriptions wants it so, else in the first digest."""
        team, names = self._owners.of(entry.event)
        severity, model = severity_of(entry.event), model_of(entry.event)
        wanted: dict[str, Subscription] = {}
        for each in sorted(self._notify.subscriptions, key=lambda each: each.digest or timedelta(0)):
            if each.takes(entry.kind, severity, model, names):
                wanted.setdefault(each.to, each)
        if not wanted:
            return
        event = message(entry, origin=self._origin, link=self._notify.link, owner=team)
        for channel, subscription in wanted.items():
            closes = _closes(subscription.digest, now)
            yield Message(entry.event_id, channel, entry.seq, event, closes, closes or now)


def _closes(digest: timedelta | None, now: float) -> float:
    """When the digest that is open at this moment closes: whole spans since 1970."""
    if digest is None:
        return 0.0
    span = digest.total_seconds()
    return (now // span + 1) * span

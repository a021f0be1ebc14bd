"""An entry as a CloudEvent (https://cloudevents.io, 1.0), in structured JSON.

    {"specversion": "1.0", "id": <the entry's event id>, "source": "/fleetward/ledger/<origin>",
     "type": "io.fleetward.finding_opened.v1", "subject": <model>, "time": ..., "datacontenttype": "application/json",
     "data": {"seq", "kind", "severity", "sentence", "actor", "reason", "model", "owner", "link", "event"}}

``id`` and ``source`` together name the entry: what is delivered twice is the same twice. A digest is one of
``io.fleetward.digest.v1``, with ``data.items`` as the ``data`` of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from runtime.console.sentences import sentence
from runtime.domain.base import rfc3339
from runtime.domain.entry import Entry
from runtime.domain.ids import derived_id
from runtime.notifying.severity import Severity, severity_of

_PREFIX, _VERSION = "io.fleetward", "v1"
_HIDDEN = frozenset({"secret"})
"""What stays in the ledger."""


def message(entry: Entry, *, origin: str, link: str, owner: str) -> dict[str, Any]:
    """The CloudEvent of an entry; ``owner`` is the team that answers for its model, ``link`` what links begin with."""
    model = model_of(entry.event)
    data = {
        "seq": entry.seq,
        "kind": entry.kind,
        "severity": severity_of(entry.event).value,
        "sentence": sentence(entry),
        "actor": entry.principal,
        "reason": reason_of(entry.event),
        "model": model,
        "owner": owner or None,
        "link": _link(link, entry.seq, model),
        "event": {name: value for name, value in entry.event.as_document().items() if name not in _HIDDEN},
    }
    known = {name: value for name, value in data.items() if value is not None}
    return _envelope(entry.event_id, entry.kind, origin, entry.time, model or "fleet", known)


def digest(items: Sequence[dict[str, Any]], *, origin: str, now: datetime) -> dict[str, Any]:
    """One CloudEvent of several: the worst severity, and a sentence each."""
    data = [each["data"] for each in items]
    worst = max((Severity(each["severity"]) for each in data), key=lambda each: each.rank)
    body = {"severity": worst.value, "sentence": f"{len(data)} entries", "items": data}
    name = derived_id("digest", *(each["id"] for each in items))
    return _envelope(name, "digest", origin, now, "fleet", body)


def trial(origin: str, now: datetime, actor: str) -> dict[str, Any]:
    """What a channel is tried with; it stands in no ledger."""
    said = {"severity": "info", "sentence": "a test: nothing has happened", "actor": actor, "reason": "asked for"}
    return _envelope(derived_id("test", now.isoformat()), "test", origin, now, "fleet", said)


def model_of(event: Any) -> str | None:
    """The model that an entry is about, if it is about one."""
    model = getattr(event, "model", None)
    return model if isinstance(model, str) else None


def reason_of(event: Any) -> str | None:
    """Why, as the entry says it."""
    verdict = getattr(event, "verdict", None)
    reason = getattr(event, "reason", None) if verdict is None else verdict.reason
    return reason if isinstance(reason, str) and reason else None


def text_lines(event: dict[str, Any]) -> list[str]:
    """A message for people: what happened, by whom, why, and where to look."""
    data = event["data"]
    if "items" in data:
        return [line for item in data["items"] for line in _lines(item)]
    return _lines(data)


def _lines(data: dict[str, Any]) -> list[str]:
    who = f"by {data['actor']}" if data.get("actor") else ""
    why = f"because: {data['reason']}" if data.get("reason") else ""
    return [" | ".join(filter(None, (data["sentence"], who, why, data.get("link", ""))))]


def _envelope(name: str, kind: str, origin: str, time: datetime, subject: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": name,
        "source": f"/fleetward/ledger/{quote(origin, safe='')}",
        "type": f"{_PREFIX}.{kind}.{_VERSION}",
        "subject": subject,
        "time": rfc3339(time),
        "datacontenttype": "application/json",
        "data": data,
    }


def _link(base: str, seq: int, model: str | None) -> str | None:
    if not base:
        return None
    return f"{base.rstrip('/')}/{f'models/{quote(model)}' if model else f'ledger?from={seq}'}"

"""One recorded decision as people read it: columns by their names, and inputs in the clear where a key lives.

What was sealed for a data subject is opened by whoever holds the subjects' keys; else the record says why it is not.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from runtime.domain.base import rfc3339
from runtime.domain.flags import told
from runtime.domain.schema import Schema
from runtime.evidence.decisions import FoundDecision
from runtime.storage.inputs import KeyOf
from runtime.storage.keyring_errors import KeyringUnavailable
from runtime.storage.leaves import sayable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Inputs(StrEnum):
    """How the inputs of a record stand."""

    CLEAR = "clear"
    """Nobody was named: they are in the record."""
    OPENED = "opened"
    """Sealed in the record, and opened with their subject's key."""
    SEALED = "sealed"
    """The keys cannot be reached from here."""
    ERASED = "erased"
    """Their subject's key is destroyed."""


def recorded_decision(found: FoundDecision, schema: Schema, key_of: KeyOf) -> dict[str, Any]:
    """The decision with the inputs of each row. ``key_of`` is called only for records that name a data subject.

    Raises ``SealedInputsDamaged`` and ``SubjectKeyDamaged``.
    """
    first = found.proven.records[0].record
    return {
        "decision_id": found.proven.decision_id,
        "model": found.model,
        "version": found.version,
        "variant": first["variant"],
        "artifact": first["artifact"],
        "time": _moment(first["time"]),
        "event_time": _moment(first["event_time"]),
        "caller": first["caller"],
        "trace_id": first["trace_id"],
        "latency_us": first["latency_us"],
        "subject": first.get("subject", ""),
        "segment": {"seq": found.segment.seq, "digest": found.segment.event.digest},
        "rows": [_row(proven.record, schema, key_of) for proven in found.proven.records],
    }


def _row(record: dict[str, Any], schema: Schema, key_of: KeyOf) -> dict[str, Any]:
    how, values = _inputs(record, key_of)
    names = (*schema.numbers, *schema.texts)
    return {
        "row": record["row"],
        "inputs": how.value,
        "values": None if values is None else dict(zip(names, values, strict=True)),
        "output": record["output"],
        "flags": [told(flag) or flag for flag in record["flags"]],
    }


def _inputs(record: dict[str, Any], key_of: KeyOf) -> tuple[Inputs, list[Any] | None]:
    subject = record.get("subject", "")
    if not subject:
        return Inputs.CLEAR, [*record["numbers"], *record["texts"]]
    try:
        key = key_of(subject)
    except KeyringUnavailable:
        return Inputs.SEALED, None
    if key is None:
        return Inputs.ERASED, None
    numbers, texts = key.open(record["decision_id"], record["row"], record["sealed"])
    return Inputs.OPENED, sayable([*numbers, *texts])


def _moment(micros: int) -> str:
    return rfc3339(_EPOCH + timedelta(microseconds=micros))

"""One decision, or one set of outcomes, as the payload of a write-ahead frame.

A payload is a JSON array whose first element tells what it is:

    ["d", number, decision_id, time, event_time, model, version, artifact, grant_id, variant, caller,
          trace_id, latency_us, numbers, texts, outputs, flags, odd]
    ["d", ... odd, subject, sealed]                           of a request that named its data subject
    ["o", number, decision_id, time, model, caller, rows, actuals, odd]

``number`` belongs to its first row; the rows after it have the next numbers. Decisions and outcomes are
numbered apart, each from 1, so that the records of a sealed segment have no holes between first and last.
JSON has no NaN and no infinity: such a value is written as null, and ``odd`` lists where it stood and what it
was, as [place, index, value], place 0, 1, ... being an input column, -1 the outputs or actuals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from runtime.domain.decision import Decision, Outcomes, Variant
from runtime.domain.errors import IntegrityError, RequestError

CHUNK = 32
"""Frames read at once: as many as have fewer lists among them than wake the garbage collector (700). Twice as fast
as chunks of 100."""

_DECISION_WIDTH = 18
_VARIANTS = frozenset(variant.value for variant in Variant)
_LAST = -1
_NO_ODD: tuple[()] = ()
_Odd = tuple[int, int, str]


class FrameUnreadable(IntegrityError):
    """A frame whose checksum holds, but whose content this release does not know."""

    def __init__(self, start: str, reason: str) -> None:
        super().__init__(start, reason)
        self.start, self.reason = start, reason

    def __str__(self) -> str:
        return f"frame {self.start!r}... cannot be read: {self.reason}"


@dataclass(frozen=True, slots=True)
class NumberedDecision:
    """A decision and the record number of its first row."""

    number: int
    decision: Decision

    @property
    def records(self) -> int:
        """How many numbers it takes."""
        return self.decision.rows


@dataclass(frozen=True, slots=True)
class NumberedOutcomes:
    """Outcomes and the record number of the first."""

    number: int
    outcomes: Outcomes

    @property
    def records(self) -> int:
        """How many numbers they take."""
        return len(self.outcomes.rows)


@dataclass(frozen=True, slots=True)
class PlainDecisions:
    """Decisions of one row each, numbered on from ``number``: a column of all of them for each field.

    ``fields`` are decision_id, time, event_time, model, version, artifact, grant_id, variant, caller, trace_id and
    latency_us; ``numbers``, ``texts`` and ``flags`` hold a tuple or list for each decision.
    """

    number: int
    fields: tuple[Sequence[Any], ...]
    numbers: list[list[float | None]]
    texts: list[list[str | None]]
    outputs: list[float]
    flags: Sequence[Sequence[str]]

    @property
    def records(self) -> int:
        """How many numbers they take."""
        return len(self.outputs)


Frames = NumberedDecision | NumberedOutcomes | PlainDecisions


def encode_decision(number: int, decision: Decision) -> bytes:
    """The payload of a decision.

    Raises ``RequestError`` for what could not be read back: columns of unequal length, a time without a zone,
    an integer beyond 64 bits, text with lone surrogates.
    """
    rows = len(decision.outputs)
    lengths = {*map(len, decision.numbers), *map(len, decision.texts), rows}
    if decision.subject:
        lengths.add(len(decision.sealed))
    if len(lengths) > 1:
        raise RequestError("decision", f"columns of {sorted(lengths)} values", f"{rows}, one for each row")
    if decision.time.tzinfo is None or decision.event_time.tzinfo is None:
        raise RequestError("decision", "a time without a zone", "an aware time")
    payload = _dumps(_decision_fields(number, decision, _NO_ODD))
    if b"null" in payload:  # a None, a NaN, an infinity, or text that merely says null
        odd = (*_odd_columns(decision.numbers), *_odd_values(_LAST, decision.outputs))
        if odd:
            return _dumps(_decision_fields(number, decision, odd))
    return payload


def encode_outcomes(number: int, outcomes: Outcomes) -> bytes:
    """The payload of outcomes. Raises as ``encode_decision``."""
    if len(outcomes.rows) != len(outcomes.actuals):
        found = f"{len(outcomes.actuals)} actuals"
        raise RequestError("outcomes", found, f"{len(outcomes.rows)}, one for each row")
    if outcomes.time.tzinfo is None:
        raise RequestError("outcomes", "a time without a zone", "an aware time")
    odd = tuple(_odd_values(_LAST, outcomes.actuals))
    o = outcomes
    return _dumps(("o", number, o.decision_id, o.time, o.model, o.caller, o.rows, o.actuals, odd))


def decode_frame(payload: bytes) -> NumberedDecision | NumberedOutcomes:
    """What ``encode_decision`` or ``encode_outcomes`` wrote. Raises ``FrameUnreadable``."""
    try:
        kind, *fields = orjson.loads(payload)
        if kind == "d":
            return _decision(*fields)
        if kind == "o":
            return _outcomes(*fields)
    except (ValueError, TypeError, LookupError) as error:
        raise FrameUnreadable(_start(payload), str(error)) from error
    raise FrameUnreadable(_start(payload), f"unknown kind {kind!r}")


def decode_frames(payloads: Sequence[bytes]) -> Iterator[Frames]:
    """All of them, in the order of their numbers. Raises ``FrameUnreadable``.

    Decisions of one row, which nearly all are, come in columns, some three times faster than as objects.
    """
    for start in range(0, len(payloads), CHUNK):
        chunk = payloads[start : start + CHUNK]
        plain = _plain([payload for payload in chunk if payload.startswith(b'["d",')])
        if plain is not None:
            yield plain
            chunk = [payload for payload in chunk if not payload.startswith(b'["d",')]
        yield from map(decode_frame, chunk)


def _plain(payloads: list[bytes]) -> PlainDecisions | None:
    """The decisions in columns; None if one of them is in any way out of the ordinary."""
    try:
        rows = orjson.loads(b"[%s]" % b",".join(payloads))
        if not rows or {*map(len, rows)} != {_DECISION_WIDTH}:
            return None
        _, numbers, ids, times, event_times, *fields, columns, texts, outputs, flags, odd = zip(*rows, strict=True)
        ordinary = not any(odd) and all(len(each) == 1 for each in outputs) and _VARIANTS.issuperset(fields[4])
        if not ordinary or numbers != (*range(numbers[0], numbers[0] + len(rows)),):
            return None
        moments = ([datetime.fromisoformat(each) for each in moment] for moment in (times, event_times))
        return PlainDecisions(
            number=numbers[0],
            fields=(ids, *moments, *fields),
            numbers=[[column[0] for column in each] for each in columns],
            texts=[[column[0] for column in each] for each in texts],
            outputs=[each[0] for each in outputs],
            flags=flags,
        )
    except (ValueError, TypeError, LookupError):
        return None


def _decision_fields(number: int, d: Decision, odd: Sequence[_Odd]) -> tuple[object, ...]:
    of_subject = (d.subject, d.sealed) if d.subject else ()
    return (
        "d",
        number,
        d.decision_id,
        d.time,
        d.event_time,
        d.model,
        d.version,
        d.artifact,
        d.grant_id,
        d.variant,
        d.caller,
        d.trace_id,
        d.latency_us,
        d.numbers,
        d.texts,
        d.outputs,
        d.flags,
        odd,
        *of_subject,
    )


def _dumps(fields: tuple[object, ...]) -> bytes:
    try:
        return orjson.dumps(fields)
    except TypeError as error:  # orjson.JSONEncodeError is one
        raise RequestError("record", str(error), "values that JSON can hold") from error


def _odd_columns(columns: Sequence[Sequence[float | None]]) -> list[_Odd]:
    return [odd for place, column in enumerate(columns) for odd in _odd_values(place, column)]


def _odd_values(place: int, values: Sequence[float | None]) -> list[_Odd]:
    return [
        (place, index, repr(float(value)))
        for index, value in enumerate(values)
        if value is not None and not math.isfinite(value)
    ]


def _decision(number: int, decision_id: str, time: str, event_time: str, *rest: Any) -> NumberedDecision:
    model, version, artifact, grant_id, variant, caller, trace_id, latency_us, *values = rest
    numbers, texts, outputs, flags, odd, *of_subject = values
    subject, sealed = of_subject or ("", ())
    for place, index, value in odd:
        (outputs if place == _LAST else numbers[place])[index] = float(value)
    decision = Decision(
        decision_id=decision_id,
        time=datetime.fromisoformat(time),
        event_time=datetime.fromisoformat(event_time),
        model=model,
        version=version,
        artifact=artifact,
        grant_id=grant_id,
        variant=Variant(variant),
        caller=caller,
        trace_id=trace_id,
        latency_us=latency_us,
        numbers=tuple(numbers),
        texts=tuple(texts),
        outputs=outputs,
        flags=tuple(flags),
        subject=subject,
        sealed=tuple(sealed),
    )
    return NumberedDecision(number, decision)


def _outcomes(number: int, decision_id: str, time: str, *rest: Any) -> NumberedOutcomes:
    model, caller, rows, actuals, odd = rest
    for _, index, value in odd:
        actuals[index] = float(value)
    moment = datetime.fromisoformat(time)
    return NumberedOutcomes(number, Outcomes(decision_id, moment, model, caller, rows, actuals))


def _start(payload: bytes) -> str:
    return payload[:40].decode(errors="replace")

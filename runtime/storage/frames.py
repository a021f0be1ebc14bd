"""One decision, or one set of outcomes, as the payload of a write-ahead frame.

A payload is a JSON array whose first element tells what it is:

    ["1", number, decision_id, time, event_time, model, version, artifact, grant_id, variant, caller,
          trace_id, latency_us, numbers, texts, flags, output, odd]     of one row, as nearly all: a value a column
    ["d", ... latency_us, numbers, texts, flags, outputs, odd]          of any number of rows: a list a column
    ["d", ... odd, subject, sealed]                                     of a request that named its data subject
    ["o", number, decision_id, time, model, caller, rows, actuals, odd]

``number`` belongs to its first row; the rows after it have the next numbers. Decisions and outcomes are
numbered apart, each from 1, so that the records of a sealed segment have no holes between first and last.
A time is its microseconds since 1970-01-01 UTC. JSON has no NaN and no infinity: such a value is written as null, and
``odd`` lists where it stood and what it was, as [place, index, value], place 0, 1, ... being an input column, -1 the
outputs or actuals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from runtime.domain.decision import Decision, Outcomes, Variant
from runtime.domain.errors import IntegrityError, RequestError

CHUNK = 100
"""Frames read at once: as many as have fewer lists among them than wake the garbage collector (700)."""

_ONE_ROW = b'["1",'
_OUTCOMES = b'["o",'
_ONE_ROW_WIDTH = 18
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_VARIANTS = frozenset(variant.value for variant in Variant)
_VARIANT = 7
"""Its place among the ``fields`` of ``PlainDecisions``."""
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
    latency_us, the times in microseconds; ``numbers``, ``texts`` and ``flags`` hold a list for each decision.
    """

    number: int
    fields: tuple[Sequence[Any], ...]
    numbers: Sequence[list[float | None]]
    texts: Sequence[list[str | None]]
    flags: Sequence[list[str]]
    outputs: Sequence[float]

    @property
    def records(self) -> int:
        """How many numbers they take."""
        return len(self.outputs)


Frames = NumberedDecision | NumberedOutcomes | PlainDecisions


def micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC. Raises ``TypeError`` for a time without a zone."""
    return (moment - _EPOCH) // _MICROSECOND


def encode_decision(number: int, decision: Decision) -> bytes:
    """The payload of a decision.

    Raises ``RequestError`` for what could not be read back: columns of unequal length, a time without a zone,
    an integer beyond 64 bits, text with lone surrogates.
    """
    if len(decision.outputs) == 1 and not decision.subject:
        fields_of = _one_row
    else:
        _check_lengths(decision)
        fields_of = _all_rows
    payload = _dumps(fields_of(number, decision, _NO_ODD))
    if b"null" in payload:  # a None, a NaN, an infinity, or text that merely says null
        odd = _odd_of(decision)
        if odd:
            return _dumps(fields_of(number, decision, odd))
    return payload


def encode_outcomes(number: int, outcomes: Outcomes) -> bytes:
    """The payload of outcomes. Raises as ``encode_decision``."""
    if len(outcomes.rows) != len(outcomes.actuals):
        found = f"{len(outcomes.actuals)} actuals"
        raise RequestError("outcomes", found, f"{len(outcomes.rows)}, one for each row")
    odd = tuple(_odd_values(_LAST, outcomes.actuals))
    o = outcomes
    return _dumps(("o", number, o.decision_id, _moment("outcomes", o.time), o.model, o.caller, o.rows, o.actuals, odd))


def decode_frame(payload: bytes) -> NumberedDecision | NumberedOutcomes:
    """What ``encode_decision`` or ``encode_outcomes`` wrote. Raises ``FrameUnreadable``."""
    try:
        kind, *fields = orjson.loads(payload)
        if kind == "1":
            return _decision(*_as_columns(*fields))
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
        decisions = [payload for payload in chunk if not payload.startswith(_OUTCOMES)]
        plain = _plain(decisions) if all(payload.startswith(_ONE_ROW) for payload in decisions) else None
        if plain is None:
            yield from map(decode_frame, chunk)
            continue
        yield plain
        if len(decisions) < len(chunk):
            yield from (decode_frame(payload) for payload in chunk if payload.startswith(_OUTCOMES))


def _plain(payloads: list[bytes]) -> PlainDecisions | None:
    """Decisions of one row in columns; None if one of them is in any way out of the ordinary, or there is none."""
    try:
        rows = orjson.loads(b"[%s]" % b",".join(payloads))
        if not rows or {*map(len, rows)} != {_ONE_ROW_WIDTH}:
            return None
        _, numbers, *fields, columns, texts, flags, answers, odd = zip(*rows, strict=True)
        if not _VARIANTS.issuperset(fields[_VARIANT]) or numbers != (*range(numbers[0], numbers[0] + len(rows)),):
            return None
        outputs = [*answers]
        if any(odd):
            _put_odd(columns, outputs, odd)
        return PlainDecisions(numbers[0], tuple(fields), columns, texts, flags, outputs)
    except (ValueError, TypeError, LookupError):
        return None


def _put_odd(columns: Sequence[list[float | None]], outputs: list[float], odd: Sequence[Sequence[_Odd]]) -> None:
    for row, own in enumerate(odd):
        for place, _, value in own:
            if place == _LAST:
                outputs[row] = float(value)
            else:
                columns[row][place] = float(value)


def _one_row(number: int, d: Decision, odd: Sequence[_Odd]) -> tuple[object, ...]:
    time, event_time = d.time, d.event_time
    try:
        moment = (time - _EPOCH) // _MICROSECOND  # written out: a call costs as much again
        return (
            "1",
            number,
            d.decision_id,
            moment,
            moment if event_time is time else (event_time - _EPOCH) // _MICROSECOND,
            d.model,
            d.version,
            d.artifact,
            d.grant_id,
            d.variant,
            d.caller,
            d.trace_id,
            d.latency_us,
            [value for (value,) in d.numbers],
            [text for (text,) in d.texts],
            d.flags,
            d.outputs[0],
            odd,
        )
    except (ValueError, TypeError):  # a column of no or two values; a time without a zone
        _check_lengths(d)
        _moment("decision", time)
        _moment("decision", event_time)
        raise


def _as_columns(*fields: Any) -> tuple[Any, ...]:
    """The fields of a decision of one row, as those of any decision stand."""
    *given, numbers, texts, flags, output, odd = fields
    return (*given, [[value] for value in numbers], [[text] for text in texts], flags, [output], odd)


def _check_lengths(decision: Decision) -> None:
    rows = len(decision.outputs)
    lengths = {*map(len, decision.numbers), *map(len, decision.texts), rows}
    if decision.subject:
        lengths.add(len(decision.sealed))
    if len(lengths) > 1:
        raise RequestError("decision", f"columns of {sorted(lengths)} values", f"{rows}, one for each row")


def _all_rows(number: int, d: Decision, odd: Sequence[_Odd]) -> tuple[object, ...]:
    of_subject = (d.subject, d.sealed) if d.subject else ()
    return (
        "d",
        number,
        d.decision_id,
        _moment("decision", d.time),
        _moment("decision", d.event_time),
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
        d.flags,
        d.outputs,
        odd,
        *of_subject,
    )


def _moment(what: str, moment: datetime) -> int:
    try:
        return micros(moment)
    except TypeError as error:
        raise RequestError(what, "a time without a zone", "an aware time") from error


def _dumps(fields: tuple[object, ...]) -> bytes:
    try:
        return orjson.dumps(fields)
    except TypeError as error:  # orjson.JSONEncodeError is one
        raise RequestError("record", str(error), "values that JSON can hold") from error


def _odd_of(decision: Decision) -> list[_Odd]:
    odd = [each for place, column in enumerate(decision.numbers) for each in _odd_values(place, column)]
    return [*odd, *_odd_values(_LAST, decision.outputs)]


def _odd_values(place: int, values: Sequence[float | None]) -> list[_Odd]:
    return [
        (place, index, repr(float(value)))
        for index, value in enumerate(values)
        if value is not None and not math.isfinite(value)
    ]


def _decision(number: int, decision_id: str, time: int, event_time: int, *rest: Any) -> NumberedDecision:
    model, version, artifact, grant_id, variant, caller, trace_id, latency_us, *values = rest
    numbers, texts, flags, outputs, odd, *of_subject = values
    subject, sealed = of_subject or ("", ())
    for place, index, value in odd:
        (outputs if place == _LAST else numbers[place])[index] = float(value)
    decision = Decision(
        decision_id=decision_id,
        time=_EPOCH + time * _MICROSECOND,
        event_time=_EPOCH + event_time * _MICROSECOND,
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


def _outcomes(number: int, decision_id: str, time: int, *rest: Any) -> NumberedOutcomes:
    model, caller, rows, actuals, odd = rest
    for _, index, value in odd:
        actuals[index] = float(value)
    moment = _EPOCH + time * _MICROSECOND
    return NumberedOutcomes(number, Outcomes(decision_id, moment, model, caller, rows, actuals))


def _start(payload: bytes) -> str:
    return payload[:40].decode(errors="replace")

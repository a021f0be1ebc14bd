"""What goes out in place of an answer that the rules of its model do not trust.

    Watch.fired ──nothing──> the answer as it is
         │
         └─> flags in the decision record, and of the strictest rule of each row
               flag       the prediction goes out
               value      the rule's number goes out in its place
               fallback   another model's champion predicts the row, as a decision of its own
               refuse     422 for the whole request, which names rows, feature, value and what was expected

The decision keeps what its version predicted, and its flags say what went out instead: so monitors judge the model, and
the record still tells the answer. Who asked is told in the header ``fleetward-override`` and, where the protocol has
a place for it, in the answer's parameters; both hold a list of RFC 9651:

    out_of_range;feature="distance";then=flag;rows="0,3", missing;feature="dest";then=value;value="140.0";rows="7"
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from runtime.domain import flags as flag
from runtime.domain.decision import Decision
from runtime.domain.errors import IntegrityError, NotServable, RequestError
from runtime.domain.overrides import Action, Constant, Fallback, Override
from runtime.domain.routes import Servable
from runtime.domain.schema import FieldKind, Schema
from runtime.domain.seen import Seen
from runtime.policy.overrides import Fired, Watch, deciding, needs_seen
from runtime.serving.live import Answer, Overridden
from runtime.serving.protocols.document import kind
from runtime.serving.protocols.request import InferRequest

LONGEST_HEADER = 2048
"""Characters; proxies and gRPC take some 8,000 of all headers together."""

Ask = Callable[[str, InferRequest, Sequence[int], Decision], Answer]
"""Another model's answer to these rows of a request, for the sake of this decision. Raises ``NotServable``."""


class OverrideRefused(RequestError):
    """A well-formed request that the model's own rules do not let it answer."""

    status = 422

    def __init__(self, where: str, found: str, expected: str, override: str) -> None:
        Exception.__init__(self, where, found, expected, override)
        self.where, self.found, self.expected, self.override = where, found, expected, override

    @property
    def members(self) -> dict[str, str]:
        """Beside those of every request error."""
        return {"override": self.override}


# --- what training saw -----------------------------------------------------------------------------------


def watch_of(rules: Sequence[Override], servable: Servable, fetch: Callable[[str], bytes]) -> Watch | None:
    """The rules, bound to a version; None where there are none.

    What training saw is read from the package that the grant names, so that the grant's signature covers it. Raises
    what ``fetch`` raises, ``IntegrityError`` and ``OverrideUnfit``.
    """
    if not rules:
        return None
    seen = _seen(servable.signed.grant.package, fetch) if needs_seen(rules) else None
    return Watch(rules, servable.schema_, seen)


def _seen(package: str, fetch: Callable[[str], bytes]) -> Seen | None:
    try:
        baseline = json.loads(fetch(package))["version"]["baseline"]
        document = json.loads(fetch(baseline)).get("seen")
        return None if document is None else Seen.model_validate(document)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise IntegrityError(f"package {package} does not say what training saw: {error}") from error


# --- one answer ------------------------------------------------------------------------------------------


def overridden(answer: Answer, fired: list[Fired], request: InferRequest, ask: Ask) -> Answer:
    """The answer as the rules that fired on it want it. Raises what ``ask`` raises."""
    rows, said = request.rows, tuple(described(each, request.rows) for each in fired)
    flags = [
        flag.on_rows(flag.override(_action(each), each.rule.when, each.feature), each.rows, rows) for each in fired
    ]
    refusing = [each for each in fired if each.rule.action is Action.REFUSE]
    if refusing:
        refusal = _refusal(refusing[0], len(refusing) - 1, answer.decision, request, ", ".join(said))
        return _marked(answer, [*flags, flag.REFUSED], Overridden(said, answer.decision.outputs, refusal))
    outputs, others = list(answer.decision.outputs), []
    for then, alike in _by_then(deciding(fired)):
        if isinstance(then, Constant):
            word, instead = flag.answered(then.value), [then.value] * len(alike)
        else:
            other = _checked(ask(then.fallback, request, alike, answer.decision), answer)
            others += [other, *other.others]
            word, instead = flag.answered_by(then.fallback, other.decision.decision_id), other.outputs
        flags.append(flag.on_rows(word, alike, rows))
        for row, value in zip(alike, instead, strict=True):
            outputs[row] = value
    refused = next((other.refusal for other in others if other.refusal is not None), None)
    if refused is not None:
        flags.append(flag.REFUSED)
    return _marked(answer, flags, Overridden(said, outputs, refused, tuple(others)))


def _checked(other: Answer, answer: Answer) -> Answer:
    """A fallback's answer, if it is in place of this one. Raises ``NotServable``."""
    if other.output != answer.output:
        fallback = other.decision.model
        reason = f"its fallback {fallback!r} gives {other.output!r}, and not {answer.output!r}"
        raise NotServable(answer.decision.model, reason)
    return other


def _marked(answer: Answer, flags: Iterable[str], how: Overridden) -> Answer:
    decision = replace(answer.decision, flags=(*answer.decision.flags, *flags))
    return replace(answer, decision=decision, overridden=how)


def _by_then(found: dict[int, Fired]) -> list[tuple[Constant | Fallback, list[int]]]:
    """What goes out in place of some rows, and those rows in order: a fallback is asked once, for all its rows."""
    by_then: dict[Constant | Fallback, list[int]] = {}
    for row in sorted(found):
        then = found[row].rule.then
        if isinstance(then, Constant | Fallback):
            by_then.setdefault(then, []).append(row)
    return list(by_then.items())


def _action(fired: Fired) -> str:
    return fired.rule.action.word


def _refusal(first: Fired, more: int, decision: Decision, request: InferRequest, override: str) -> OverrideRefused:
    row = first.rows[0]
    if first.feature:
        where, value = f"input {first.feature!r}", request.columns[first.feature][row]
    else:
        where, value = "the prediction", decision.outputs[row]
    if request.rows > 1:
        where = f"{'row' if len(first.rows) == 1 else 'rows'} {flag.ranges(first.rows)}: {where}"
    found = kind(value if value is None or isinstance(value, str) else _plain(float(value)))
    expected = first.expected + (f" (and {more} more)" if more else "")
    return OverrideRefused(where, found, expected, override)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


# --- what whoever asked is told --------------------------------------------------------------------------


def described(fired: Fired, rows: int) -> str:
    """One item of the list: the rule as a token, its feature, what it does and the rows of a request of several."""
    then = fired.rule.then
    text: str = fired.rule.when
    if fired.feature:
        text += f";feature={quoted(fired.feature)}"
    text += f";then={_action(fired)}"
    if isinstance(then, Constant):
        text += f';value="{then.value!r}"'
    elif isinstance(then, Fallback):
        text += f";model={quoted(then.fallback)}"
    return text if rows == 1 else f'{text};rows="{flag.ranges(fired.rows)}"'


def quoted(text: str) -> str:
    r"""A string of RFC 9651, 3.3.3, or where it holds more than printable ASCII a display string (3.3.8).

    >>> quoted('a"b'), quoted("für")
    ('"a\\"b"', '%"f%c3%bcr"')
    """
    if text.isascii() and text.isprintable():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    plain = {*range(0x20, 0x7F)} - {0x22, 0x25}
    return '%"' + "".join(chr(byte) if byte in plain else f"%{byte:02x}" for byte in text.encode()) + '"'


def header(how: Overridden) -> bytes:
    """The header's value: where it would be long without the rows, and then without the last items."""
    items = how.said
    if len(", ".join(items)) > LONGEST_HEADER:
        items = tuple(item.partition(';rows="')[0] for item in items)
    while len(items) > 1 and len(", ".join(items)) > LONGEST_HEADER:
        items = items[:-1]
    return ", ".join(items).encode()


# --- a fallback's part -----------------------------------------------------------------------------------


def part_for(schema: Schema, request: InferRequest, rows: Sequence[int], model: str, fallback: str) -> InferRequest:
    """These rows of a request to ``model``, as another model takes them. Raises ``NotServable`` if it cannot."""
    at = np.asarray(rows)
    columns = {}
    for field in schema.inputs:
        column = request.columns.get(field.name)
        if column is None or (column.dtype == object) is not (field.kind is FieldKind.TEXT):
            reason = f"its fallback {fallback!r} takes {field.name!r} ({field.kind.value}), which requests to it lack"
            raise NotServable(model, reason)
        columns[field.name] = column[at]
    return InferRequest(
        rows=len(rows),
        columns=columns,
        numbers=tuple(columns[name].tolist() for name in schema.numbers),
        texts=tuple(columns[name].tolist() for name in schema.texts),
        event_time=request.event_time,
    )

"""Flags of decision records: short words for what was out of the ordinary.

    version_named                                    the caller named the version
    tested                                           as a tester: it counts as nobody's traffic
    not_finite                                       the prediction is no number
    override:<action>:<when>[:<feature>]             a rule of the model's overrides fired
    answered:<number>                                this went out in place of the prediction
    answered_by:<model>:<decision id>                that decision's answer did; its rows are the flagged ones, in order
    answers_for:<model>:<decision id>                the record was made for the other model's decision
    refused                                          nothing went out

A decision holds its flags for all rows together. One that is not true of every row names them before it, counted from
0: ``@0-2,7 override:flag:missing:distance``. A record holds those of its own row, without the numbers. No flag holds
an input's value, since those of a data subject lie encrypted beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

NOT_FINITE = "not_finite"
OVERRIDE = "override"
REFUSED = "refused"
TESTED = "tested"

_ON_ROWS = re.compile(r"@(\d{1,9}(?:-\d{1,9})?(?:,\d{1,9}(?:-\d{1,9})?)*) (.*)", re.ASCII | re.DOTALL)


def override(action: str, when: str, feature: str) -> str:
    """A rule fired; ``feature`` is empty where it looks at the prediction."""
    return f"{OVERRIDE}:{action}:{when}:{feature}" if feature else f"{OVERRIDE}:{action}:{when}"


def answered(value: float) -> str:
    """A number went out in place of the prediction."""
    return f"answered:{value!r}"


def answered_by(model: str, decision_id: str) -> str:
    """Another model's answer did; the rows of that decision are those with this flag, in order."""
    return f"answered_by:{model}:{decision_id}"


def answers_for(model: str, decision_id: str) -> str:
    """The decision was made because another model's rules asked for it."""
    return f"answers_for:{model}:{decision_id}"


def on_rows(flag: str, rows: Sequence[int], of: int) -> str:
    """The flag of these rows, in order, of a decision of so many."""
    return flag if len(rows) == of else f"@{ranges(rows)} {flag}"


def ranges(rows: Sequence[int]) -> str:
    """Numbers in order, those that follow each other as one range.

    >>> ranges([0, 1, 2, 7])
    '0-2,7'
    """
    starts = [rows[0], *(after for before, after in pairwise(rows) if after != before + 1)]
    ends = [*(before for before, after in pairwise(rows) if after != before + 1), rows[-1]]
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in zip(starts, ends, strict=True))


def by_row(flags: Iterable[str], rows: int) -> list[list[str]]:
    """The flags of each row.

    >>> by_row(["named", "@1 refused"], 2)
    [['named'], ['named', 'refused']]
    """
    found: list[list[str]] = [[] for _ in range(rows)]
    for flag in flags:
        match = _ON_ROWS.fullmatch(flag)
        word = flag if match is None else match[2]
        for row in range(rows) if match is None else _rows(match[1], rows):
            found[row].append(word)
    return found


def _rows(text: str, of: int) -> Iterator[int]:
    for part in text.split(","):
        low, _, high = part.partition("-")
        yield from range(int(low), min(int(high or low) + 1, of))


def told(flag: str) -> str:
    """What a flag of one record says of its overrides, in words; empty for any other flag.

    >>> told("override:value:missing:distance"), told("answered:140.0")
    ('missing on distance fired: value', '140.0 went out in its place')
    """
    if rule := rule_of(flag):
        action, when, feature = rule
        return f"{when} on {feature} fired: {action}" if feature else f"{when} fired: {action}"
    word, _, rest = flag.partition(":")
    model, _, decision_id = rest.partition(":")
    return {
        "answered": f"{rest} went out in its place",
        "answered_by": f"the answer of {model} went out in its place: decision {decision_id}",
        "answers_for": f"it was made for {model}: decision {decision_id}",
        REFUSED: "nothing went out",
    }.get(word, "")


def rule_of(flag: str) -> tuple[str, str, str] | None:
    """Action, when and feature of a rule that fired; None for any other flag.

    >>> rule_of("override:refuse:missing:a:b")
    ('refuse', 'missing', 'a:b')
    """
    word, *rest = flag.split(":", 3)
    if word != OVERRIDE or len(rest) < 2:
        return None
    return rest[0], rest[1], rest[2] if len(rest) > 2 else ""

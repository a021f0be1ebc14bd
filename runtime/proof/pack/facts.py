"""The files of a pack that follow from entries and counts: the same bytes wherever they are derived."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runtime.domain import canonical
from runtime.proof.pack import story
from runtime.proof.pack.clauses import clauses
from runtime.proof.pack.form import DECISIONS, PAGE
from runtime.proof.pack.gaps import gaps
from runtime.proof.pack.inventory import inventory
from runtime.proof.pack.ledger import Ledger
from runtime.proof.pack.page import Head, page
from runtime.proof.pack.use import Decisions


def documents(ledger: Ledger, decisions: Decisions) -> dict[str, Any]:
    """The JSON files that say what is so, by their paths."""
    row = inventory(ledger, decisions)
    missing = gaps(ledger, decisions, row)
    return {
        "approvals.json": story.approvals(ledger),
        "clauses.json": clauses(ledger, missing),
        "findings.json": story.findings(ledger),
        "gaps.json": missing,
        "incidents.json": story.incidents(ledger),
        "inventory.json": row,
        "keeping.json": story.keeping(ledger),
        "retrainings.json": story.retrainings(ledger),
        "rollouts.json": story.rollouts(ledger),
        "versions.json": story.versions(ledger),
    }


def files(ledger: Ledger, decisions: Decisions, head: Head) -> tuple[dict[str, bytes], list[int]]:
    """Every derived file by its path, the page among them; and the numbers of all entries that they name."""
    said = {path: canonical.encode(document) for path, document in documents(ledger, decisions).items()}
    # Read again, so that the page is made from what the files say, and in their order.
    again = {path: canonical.decode(content) for path, content in said.items()}
    again[DECISIONS] = canonical.decode(encoded(decisions))
    numbers = {seq for document in again.values() for seq in _cited(document)} | {ledger.declared.seq}
    return said | {PAGE: page(ledger, again, head)}, sorted(numbers)


def encoded(decisions: Decisions) -> bytes:
    """``decisions.json``."""
    return canonical.encode(decisions.as_document())


def _cited(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        if isinstance(value.get("entry"), int):
            yield value["entry"]
        for name, each in value.items():
            if name == "entries" and isinstance(each, list):
                yield from (seq for seq in each if isinstance(seq, int))
            else:
                yield from _cited(each)
    elif isinstance(value, list):
        for each in value:
            yield from _cited(each)

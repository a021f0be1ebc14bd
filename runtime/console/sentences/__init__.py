"""One plain English sentence for every ledger entry: who or what it is about, what happened, and why.

    <subject>: <what happened>[ by <person>][, <numbers>][: <reason>]

The person is named when one acted; what actors and jobs record goes without a name. A new event kind without
a sentence here fails the test that walks all of them.
"""

from __future__ import annotations

from runtime.console.sentences import building, governing, keeping, moving, watching  # noqa: F401 - they register
from runtime.console.sentences.told import tell
from runtime.domain.entry import Entry

_PERSON = "user:"


def sentence(entry: Entry) -> str:
    """What an entry says, in words. Raises ``TypeError`` for an event that has none."""
    told = tell(entry.event)
    subject = told.about or getattr(entry.event, "model", None) or ""
    who = f" by {entry.principal}" if entry.principal.startswith(_PERSON) else ""
    numbers = f", {told.numbers}" if told.numbers else ""
    why = f": {told.reason}" if told.reason else ""
    return f"{subject}: {told.what}{who}{numbers}{why}"

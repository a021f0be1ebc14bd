"""What happened lately, a line for each retraining round, while a replay runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from runtime.ledger.log import Log

_COUNTED = {
    "finding_opened": "alarms",
    "retraining_started": "retraining jobs",
    "version_registered": "challengers",
    "version_refused": "refused at the gates",
    "rollout_aborted": "aborted in production",
    "version_promoted": "promoted",
}


class Telling:
    """Reads on in the ledger after each day; says what changed when something of weight did."""

    def __init__(self, database: str, say: Callable[[str], None]) -> None:
        self._log = Log.open_read_only(database)
        self._read = self._log.size
        self._say = say
        self._counts: Counter[str] = Counter()

    def tell(self, day: datetime) -> None:
        """One line for the day if models were retrained or rolled out; alarms are counted up to then."""
        entries = list(self._log.entries(self._read))
        self._read += len(entries)
        self._counts.update(entry.kind for entry in entries if entry.kind in _COUNTED)
        if any(entry.kind in _COUNTED and entry.kind != "finding_opened" for entry in entries):
            said = ", ".join(f"{self._counts[kind]} {name}" for kind, name in _COUNTED.items() if self._counts[kind])
            self._say(f"  {day:%Y-%m-%d}  {said}")
            self._counts.clear()

"""From commands to entries: checked, folded, recorded with their consequences, acknowledged after COMMIT.

A command is a list of drafts. Each draft is judged on its own, in order:

    no canonical form           -> refused (a NaN, say)
    seen before, same body      -> the first entry's receipt, nothing is written
    seen before, another body   -> refused
    principal lacks the role    -> refused
    no legal move               -> refused
    else                        -> an entry, and the entries that follow from it by policy

A refusal is itself an entry (``command_refused``) and comes back as the error. All entries of a batch of
commands are one transaction: either all of it is in the ledger and in the state, or none of it is.

A writer that another one replaced is done: from then on it neither writes nor tells what is so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

from runtime.domain import events as e
from runtime.domain.entry import Draft, Entry, entry_from_leaf, leaf_bytes
from runtime.domain.errors import FleetwardError, IdempotencyConflict, Refused
from runtime.domain.fold import apply, fold
from runtime.domain.ids import derived_id
from runtime.domain.state import FleetState
from runtime.governance.snapshots import Snapshots
from runtime.ledger.errors import LedgerHeld
from runtime.ledger.log import Log
from runtime.policy import access
from runtime.policy.reactions import GOVERNOR, Sign, reactions


@dataclass(frozen=True, slots=True)
class Receipt:
    """A draft stands in the ledger at ``seq``; ``repeated`` when it stood there before."""

    event_id: str
    seq: int
    repeated: bool


Answer = Receipt | FleetwardError


class Writer:
    """Holds the log and the state it folds into. One thread commits; others may read under ``lock``."""

    def __init__(self, log: Log, sign: Sign, snapshots: Snapshots | None = None) -> None:
        self._log = log
        self._sign = sign
        self._snapshots = snapshots
        self.lock = Lock()
        self._fenced: LedgerHeld | None = None
        self._state = self._read_back()

    @property
    def state(self) -> FleetState:
        """What the ledger says. Raises ``LedgerHeld`` once another writer has it: what is known here may be old."""
        if self._fenced is not None:
            raise LedgerHeld(self._fenced.url, self._fenced.reason)
        return self._state

    def fence(self, error: LedgerHeld) -> None:
        """The lease has gone to another writer."""
        self._fenced = error

    def commit(self, commands: Sequence[Sequence[Draft]]) -> list[list[Answer]]:
        """Answers of every draft of every command, once all of them are durable.

        Raises what the log raises (a full disk, say): then nothing was written and the state is as before. After
        ``LedgerHeld`` there is no state any more.
        """
        with self.lock:
            try:
                return self._committed(commands)
            except LedgerHeld as error:
                self.fence(error)
                raise

    def _committed(self, commands: Sequence[Sequence[Draft]]) -> list[list[Answer]]:
        batch = _Batch(self._log, self.state, self._sign)
        try:
            answers = [[batch.judge(draft) for draft in command] for command in commands]
            self._log.append(batch.drafts, at=batch.now)
        except LedgerHeld:
            raise
        except BaseException:
            # The fold ran ahead of a transaction that did not happen: go back to what is written.
            self._state = self._read_back()
            raise
        if self._snapshots is not None:
            self._snapshots.offer(self._state)
        return answers

    def _read_back(self) -> FleetState:
        """What the log says."""
        return fold(self._log.entries()) if self._snapshots is None else self._snapshots.start()


class _Batch:
    """Entries on their way into one transaction. The state runs ahead of the log until it commits."""

    def __init__(self, log: Log, state: FleetState, sign: Sign) -> None:
        self.now = log.next_time()
        self.drafts: list[Draft] = []
        self._log = log
        self._state = state
        self._sign = sign
        self._new: dict[str, Entry] = {}

    def judge(self, draft: Draft) -> Answer:
        """The draft's receipt, or the error that refuses it."""
        try:
            entry = self._entry(draft)
            known = self._new.get(draft.event_id) or self._log.find(draft.event_id)
            if known is not None:
                return self._repeat(draft, known)
            access.check(self._state, draft.event, draft.principal, draft.proof)
            self._apply(draft, entry)
        except FleetwardError as error:
            self._record_refusal(draft, error)
            return error
        self._follow_up(entry)
        return Receipt(draft.event_id, entry.seq, repeated=False)

    def _repeat(self, draft: Draft, known: Entry) -> Receipt:
        if leaf_bytes(draft.event_id, known.time, draft.principal, draft.event) == known.leaf():
            return Receipt(draft.event_id, known.seq, repeated=True)
        what = f"{draft.event.kind} with event id {draft.event_id}"
        raise IdempotencyConflict(what, f"entry {known.seq} has that id and another body")

    def _follow_up(self, entry: Entry) -> None:
        """Applies everything that follows from an entry, and from what follows."""
        following = deque(reactions(self._state, entry, self._sign))
        while following:
            draft = following.popleft()
            consequence = self._entry(draft)
            self._apply(draft, consequence)
            following.extend(reactions(self._state, consequence, self._sign))

    def _entry(self, draft: Draft) -> Entry:
        """The entry as every later reader will see it, so that folding now and replaying later agree."""
        try:
            leaf = leaf_bytes(draft.event_id, self.now, draft.principal, draft.event)
            return entry_from_leaf(self._state.size, leaf)
        except ValueError as error:  # rfc8785's and pydantic's errors are ValueErrors, and so is a lone surrogate's
            raise Refused(draft.event.kind, f"it cannot be written: {_plain(str(error))}") from error

    def _apply(self, draft: Draft, entry: Entry) -> None:
        apply(self._state, entry)
        self.drafts.append(draft)
        self._new[draft.event_id] = entry

    def _record_refusal(self, draft: Draft, error: FleetwardError) -> None:
        reason = error.reason if isinstance(error, Refused) else str(error)
        refusal = e.CommandRefused(
            command=draft.event.kind,
            model=getattr(draft.event, "model", None),
            reason=_plain(f"{draft.principal}: {reason}"),
        )
        key = derived_id("refused", *map(_plain, (draft.event_id, str(draft.event), draft.principal)))
        if key not in self._new and self._log.find(key) is None:
            recorded = Draft(refusal, GOVERNOR, key)
            self._apply(recorded, self._entry(recorded))


def _plain(text: str) -> str:
    """The text, with ``?`` for what no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")

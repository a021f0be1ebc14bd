"""From commands to entries: checked, folded, recorded with their consequences, acknowledged after COMMIT.

A command is a list of drafts. Each draft is judged on its own, in order:

    no canonical form           -> refused (a NaN, say)
    seen before, same body      -> the first entry's receipt, nothing is written
    seen before, another body   -> refused
    principal lacks the role    -> refused
    model changed since         -> refused, where the command says which revision it is for
    no legal move               -> refused
    else                        -> an entry, and the entries that follow from it by policy

A refusal is itself an entry (``command_refused``) and comes back as the error. All entries of a batch of
commands are one transaction: either all of it is in the ledger and in the state, or none of it is.

A writer that another one replaced is done: from then on it neither writes nor tells what is so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from runtime.domain import events as e
from runtime.domain.base import rfc3339
from runtime.domain.entry import Draft, Entry, Prepared, prepare
from runtime.domain.errors import FleetwardError, IdempotencyConflict, ModelChanged, Refused
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

    def __reduce__(self) -> tuple[type[Receipt], tuple[str, int, bool]]:
        # As ``Draft``'s: every command is answered with them.
        return Receipt, (self.event_id, self.seq, self.repeated)


Answer = Receipt | FleetwardError
Given = Draft | Prepared
"""A draft as it is where it cannot be written, for it is to be refused."""


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
        given = [[_or_as_it_is(draft) for draft in command] for command in commands]  # readers need not wait for it
        with self.lock:
            try:
                return self._committed(given)
            except LedgerHeld as error:
                self.fence(error)
                raise

    def _committed(self, commands: Sequence[Sequence[Given]]) -> list[list[Answer]]:
        state, ids = self.state, [_draft(each).event_id for command in commands for each in command]
        batch = _Batch(self._log, state, self._sign, self._log.find_all(ids))
        try:
            answers = [[batch.judge(each) for each in command] for command in commands]
            self._log.append(batch.prepared, at=batch.now)
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

    def __init__(self, log: Log, state: FleetState, sign: Sign, recorded: Mapping[str, Entry]) -> None:
        """``recorded`` is what stands in the log under the commands' ids."""
        self.now = log.next_time()
        self.prepared: list[Prepared] = []
        self._log = log
        self._state = state
        self._sign = sign
        self._known = dict(recorded)

    def judge(self, given: Given) -> Answer:
        """The draft's receipt, or the error that refuses it."""
        draft = _draft(given)
        try:
            prepared = given if isinstance(given, Prepared) else _prepared(given)
            known = self._known.get(draft.event_id)
            if known is not None:
                return _repeated(prepared, known)
            access.check(self._state, draft.event, draft.principal, draft.proof)
            _require_revision(self._state, draft)
            entry = self._apply(prepared)
        except FleetwardError as error:
            self._record_refusal(draft, error)
            return error
        self._follow_up(entry)
        return Receipt(draft.event_id, entry.seq, repeated=False)

    def _follow_up(self, entry: Entry) -> None:
        """Applies everything that follows from an entry, and from what follows."""
        following = deque(reactions(self._state, entry, self._sign))
        while following:
            consequence = self._apply(_prepared(following.popleft()))
            following.extend(reactions(self._state, consequence, self._sign))

    def _apply(self, prepared: Prepared) -> Entry:
        entry = prepared.entry(self._state.size, self.now)
        apply(self._state, entry)
        self.prepared.append(prepared)
        self._known[entry.event_id] = entry
        return entry

    def _record_refusal(self, draft: Draft, error: FleetwardError) -> None:
        reason = error.reason if isinstance(error, Refused) else str(error)
        refusal = e.CommandRefused(
            command=draft.event.kind,
            model=getattr(draft.event, "model", None),
            reason=_plain(f"{draft.principal}: {reason}"),
        )
        key = derived_id("refused", *map(_plain, (draft.event_id, str(draft.event), draft.principal)))
        if key not in self._known and self._log.find(key) is None:
            self._apply(_prepared(Draft(refusal, GOVERNOR, key)))


def _or_as_it_is(draft: Draft) -> Given:
    try:
        return prepare(draft)
    except ValueError:
        return draft


def _draft(given: Given) -> Draft:
    return given.draft if isinstance(given, Prepared) else given


def _prepared(draft: Draft) -> Prepared:
    try:
        return prepare(draft)
    except ValueError as error:  # rfc8785's and pydantic's errors are ValueErrors, and so is a lone surrogate's
        raise Refused(draft.event.kind, f"it cannot be written: {_plain(str(error))}") from error


def _require_revision(state: FleetState, draft: Draft) -> None:
    """Raises ``ModelChanged`` when another entry about the model came before this draft, ``UnknownModel``."""
    name = getattr(draft.event, "model", None)
    if draft.revision is None or name is None:
        return
    present = state.model(name).seq
    if present != draft.revision:
        what = f"{draft.event.kind} for {name} as of entry {draft.revision}"
        raise ModelChanged(what, f"its newest entry is {present}")


def _repeated(prepared: Prepared, known: Entry) -> Receipt:
    draft = prepared.draft
    if prepared.leaf(rfc3339(known.time)) == known.leaf():
        return Receipt(draft.event_id, known.seq, repeated=True)
    what = f"{draft.event.kind} with event id {draft.event_id}"
    raise IdempotencyConflict(what, f"entry {known.seq} has that id and another body")


def _plain(text: str) -> str:
    """The text, with ``?`` for what no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")

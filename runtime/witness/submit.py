"""The ledger's side of a witness: ask it to cosign a checkpoint, and add its line to the note.

The client remembers the size that the witness holds; where it does not know or is wrong, the witness's 409 says
which it is, and the second request has the proof from there. Three answers mean more than a refusal, and are
``WitnessContradicts``: the witness holds more than this ledger has, the same size under another root, or a tree
that this one does not extend. Then history was rewritten or an old copy of the ledger was put back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import httpx

from runtime.ledger.checkpoint import Checkpoint, parse_size
from runtime.ledger.errors import NoteMalformed
from runtime.ledger.note import Signature, Verifier, add_signatures, open_note, read_note, read_signatures
from runtime.witness.errors import WitnessContradicts, WitnessRefused, WitnessUnreachable
from runtime.witness.request import SIZE_TYPE, AddCheckpoint

ATTEMPTS = 3
"""Requests for one checkpoint: the first, one from the size the witness named, one if that moved meanwhile."""


class Proof(Protocol):
    """A consistency proof, its hashes in hex."""

    @property
    def hashes(self) -> Sequence[str]:
        """The nodes in the order of RFC 9162, 2.1.4.1."""
        ...


class Proofs(Protocol):
    """Where consistency proofs come from: ``runtime.ledger.proofs.Proofs`` is one such place."""

    def consistency(self, old: int, new: int, /) -> Proof:
        """The proof from the tree of ``old`` leaves to that of ``new``, 0 <= old <= new."""
        ...


class WitnessClient:
    """One witness, as one ledger sees it. ``url`` is its submission prefix."""

    def __init__(
        self,
        url: str,
        verifier: Verifier,
        *,
        timeout: timedelta = timedelta(seconds=5),
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.verifier = verifier
        self._http = httpx.Client(timeout=timeout.total_seconds(), transport=transport)
        self._held = 0

    def submit(self, note: bytes, proofs: Proofs) -> bytes:
        """The checkpoint's note with the witness's cosignature added.

        Raises ``WitnessUnreachable``, ``WitnessRefused``, ``WitnessContradicts``, ``SignatureInvalid``, and what
        ``proofs`` raises.
        """
        checkpoint = Checkpoint.parse(read_note(note)[0])
        for _ in range(ATTEMPTS):
            if self._held > checkpoint.size:
                raise self._contradiction(checkpoint, "this ledger was rolled back, or a later copy of it lives")
            answer = self._ask(AddCheckpoint(self._held, self._proof(proofs, checkpoint), note))
            if answer.status_code != httpx.codes.CONFLICT:
                return add_signatures(note, [self._cosignature(answer, checkpoint, note)])
            held = self._size_of(answer)
            if held == self._held == checkpoint.size:
                raise self._contradiction(checkpoint, "it has another root of this size: history was rewritten")
            self._held = held
        raise WitnessRefused(self.url, httpx.codes.CONFLICT, f"after {ATTEMPTS} attempts it holds {self._held}")

    def close(self) -> None:
        """Close the connection. May be called again."""
        self._http.close()

    def _proof(self, proofs: Proofs, checkpoint: Checkpoint) -> tuple[bytes, ...]:
        if self._held in {0, checkpoint.size}:
            return ()
        return tuple(map(bytes.fromhex, proofs.consistency(self._held, checkpoint.size).hashes))

    def _ask(self, request: AddCheckpoint) -> httpx.Response:
        try:
            return self._http.post(f"{self.url}/add-checkpoint", content=request.body())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise WitnessUnreachable(self.url, str(error) or type(error).__name__) from error

    def _cosignature(self, answer: httpx.Response, checkpoint: Checkpoint, note: bytes) -> Signature:
        if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            raise self._contradiction(checkpoint, "what it holds is no part of this ledger: history was rewritten")
        if answer.status_code != httpx.codes.OK:
            raise WitnessRefused(self.url, answer.status_code, answer.text.strip()[:500])
        try:
            lines = read_signatures(answer.text)
        except NoteMalformed as error:
            raise WitnessUnreachable(self.url, f"its answer is no signature line: {error.reason}") from error
        mine = [line for line in lines if (line.name, line.key_hash) == (self.verifier.name, self.verifier.key_hash)]
        if not mine:
            raise WitnessRefused(self.url, answer.status_code, f"no cosignature of {self.verifier.vkey}")
        text, _ = read_note(note)
        open_note(f"{text}\n{mine[0].line()}".encode(), [self.verifier])
        self._held = checkpoint.size
        return mine[0]

    def _size_of(self, answer: httpx.Response) -> int:
        """The size that a conflict names. Raises ``WitnessUnreachable`` when it names none."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip()
        if kind != SIZE_TYPE:
            raise WitnessUnreachable(self.url, f"its conflict is of type {kind!r}, not {SIZE_TYPE}")
        try:
            return parse_size(answer.text.removesuffix("\n"))
        except NoteMalformed as error:
            raise WitnessUnreachable(self.url, f"its conflict names no size: {error.reason}") from error

    def _contradiction(self, checkpoint: Checkpoint, reason: str) -> WitnessContradicts:
        held, self._held = self._held, 0  # the next submission asks anew: the witness may have been the wrong one
        return WitnessContradicts(self.url, held, checkpoint.size, reason)

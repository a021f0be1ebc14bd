"""A fleet at a URL, asked and told over its control API: for people who have no Ray, and no way to its cluster.

State comes whole, as the governor's own snapshots hold it, so that every command answers what it would answer there.
"""

from __future__ import annotations

import base64
import weakref
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

from jobs.cli import output
from jobs.cli.failing import CommandFailed
from jobs.cli.folded import FoldedState
from jobs.cli.governed import Governed
from jobs.cli.reading import Head
from runtime.client import Fleetward, NotFound
from runtime.client.calls import API, command, get
from runtime.client.trying import read
from runtime.control.imaging import FORMAT_HEADER
from runtime.domain.entry import Draft, Entry
from runtime.domain.events import event_from_document
from runtime.domain.spec import Spec
from runtime.domain.state import ErasureState, FleetState, HoldState, TokenState
from runtime.domain.tokens import Role
from runtime.governance.images import FORMAT, state_of
from runtime.governance.writer import Receipt
from runtime.ledger.merkle import EMPTY_ROOT
from runtime.ledger.proofs import ConsistencyProof, InclusionProof, PublishedCheckpoint
from runtime.serving.authentication.credential import read_credential
from runtime.settings import Settings
from runtime.witness.publication import Publication

_PAGE = 1_000


class Distant(FoldedState, Governed):
    """What ``Governed`` is to a cluster. ``client`` reaches the fleet."""

    def __init__(self, client: Fleetward) -> None:
        self._client = client
        weakref.finalize(self, client.close)  # a command that acts has nothing to close: it reaches an actor elsewhere
        self.source = client.url
        self._recorded: dict[int, Entry] = {}

    @classmethod
    def at(cls, settings: Settings) -> Distant:
        """The fleet of the settings, asked with their credential. Raises ``KeyUnusable``."""
        return cls(Fleetward(settings.url, read_credential(settings.credential)))

    # --- reading -----------------------------------------------------------------------------------

    def head(self) -> Head:
        return Head(self._state.size, self.root(self._state.size), self._state.ticks_until)

    def root(self, size: int) -> str:
        return self.consistency_proof(size, size).root if size else EMPTY_ROOT.hex()

    def size(self) -> int:
        return int(self._client.do(get("/v1/fleet", lambda told: told["size"])))

    def entries(self, since: int, limit: int) -> list[Entry]:
        if limit == 1 and since in self._recorded:  # what this command recorded, which needs no auditor
            return [self._recorded[since]]
        found: list[Entry] = []
        while limit > len(found):
            end = since + min(limit, len(found) + _PAGE)
            part = self._page(since + len(found), end)
            found += part
            if not part:
                break
        return found

    def _page(self, start: int, end: int) -> list[Entry]:
        """The API pages backwards, from a cursor that is the number of the entry before which a page begins."""
        cursor = base64.urlsafe_b64encode(str(end).encode()).decode().rstrip("=")
        told = self._client.do(get("/v1/entries", lambda page: page["items"], cursor=cursor, limit=end - start))
        return [entry for entry in map(_entry_of, reversed(told)) if entry.seq >= start]

    def watch(self, since: int) -> Iterator[Entry]:
        """Entries from ``since`` on, as they come."""
        for told in self._client.watch(since):
            yield _entry_of(told.model_dump(mode="json"))

    def specs(self) -> dict[str, Spec]:
        return self._state.specs

    def holds(self) -> list[HoldState]:
        return list(self._state.holds.values())

    def erasures(self) -> list[ErasureState]:
        return list(self._state.erasures.values())

    def tokens(self) -> list[TokenState]:
        return list(self._state.tokens.values())

    def roles(self) -> dict[str, tuple[Role, ...]]:
        return self._state.roles

    def checkpoint(self) -> PublishedCheckpoint | None:
        try:
            return self._client.do(get("/v1/checkpoint", PublishedCheckpoint.model_validate))
        except NotFound:
            return None

    def inclusion_proof(self, seq: int, size: int | None) -> InclusionProof:
        def proof_of(document: Any) -> InclusionProof:
            return InclusionProof.model_validate({name: document[name] for name in document if name != "leaf"})

        return self._client.do(get("/v1/ledger/proof/inclusion", proof_of, seq=seq, size=size))

    def consistency_proof(self, old_size: int, size: int | None) -> ConsistencyProof:
        asked = {"from": old_size, "to": size}
        return self._client.do(get("/v1/ledger/proof/consistency", ConsistencyProof.model_validate, **asked))

    def publication(self) -> Publication:
        return Publication.of(self.size(), self.checkpoint())

    def vkey(self) -> str:
        raise _needs_a_cluster("the ledger's key: ask whoever runs it")

    def flush(self, pool: str) -> int:
        raise _needs_a_cluster(f"sealing what the replicas of {pool} captured")

    # --- recording ---------------------------------------------------------------------------------

    def record(self, draft: Draft) -> Receipt:
        """As whoever the credential is of; the principal of the draft is what its own settings say, and not sent."""
        body = {"event": draft.event.model_dump(mode="json", exclude_none=True, by_alias=True)}
        told = self._client.do(command("/v1/commands", body, key=draft.event_id))
        if told.entry is None or told.event_id is None:
            raise CommandFailed(told.sentence)
        self._recorded[told.entry] = _entry_of(told.model_extra["recorded"] if told.model_extra else {})
        return Receipt(told.event_id, told.entry, repeated=False)

    def _entries_to_fold(self) -> Iterable[Entry]:
        return ()

    @cached_property
    def _state(self) -> FleetState:
        with output.working(f"asking {self.source}"):
            answer = self._client.answered(get("/v1/state", lambda _: None))
        if not answer.is_success:
            read(get(API, lambda _: None), answer)
        if answer.headers.get(FORMAT_HEADER) != FORMAT:
            raise CommandFailed(f"{self.source} runs another version of Fleetward; expected the one that runs there")
        return state_of([answer.content])


def _entry_of(document: dict[str, Any]) -> Entry:
    time = datetime.fromisoformat(document["time"])
    event = event_from_document(document["event"])
    return Entry(document["seq"], document["event_id"], time, document["principal"], event)


def _needs_a_cluster(what: str) -> CommandFailed:
    return CommandFailed(f"{what}: it cannot be asked for over HTTP; run this where the cluster is")

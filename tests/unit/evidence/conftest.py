"""An installation small enough to look through: a ledger with its writer, a store, and checkpoints when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from runtime.domain import events as e
from runtime.domain.decision import Decision, Variant
from runtime.domain.entry import Draft
from runtime.domain.ids import derived_id
from runtime.domain.keeping import BodiesDeleted
from runtime.domain.spec import Spec
from runtime.evidence.ledger import SignedLedger
from runtime.governance.writer import Receipt, Writer
from runtime.ledger.log import Log
from runtime.ledger.note import Signer
from runtime.ledger.publisher import Publisher
from runtime.ledger.signing import SigningKey, sign_grant
from runtime.proof.checkpoints import Keys
from runtime.storage.frames import NumberedDecision
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from tests.unit.domain.lives import MODEL, MONDAY, a_report, a_spec, prepared, registered

ORIGIN = "example.org/ledger"


class Installation:
    """A governor's writer, one replica's segments, and a publisher of checkpoints."""

    def __init__(self, folder: Path, log: Log) -> None:
        self.folder = folder
        self.log = log
        self.now = MONDAY
        self.key = SigningKey.load_or_create(folder / "governor.pem")
        self.store = ObjectStore.open(str(folder / "store"))
        self.writer = Writer(log, lambda grant: sign_grant(grant, self.key))
        self.publisher = Publisher(log, Signer(self.key, ORIGIN), lambda: self.now)
        self._numbers = 0
        self.keys = Keys(Signer(self.key, ORIGIN).verifier)
        started = e.GovernorStarted(epoch=1, key_id=self.key.key_id, public_key=self.key.public_key_text)
        self.record("service:governor", started)

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def record(self, principal: str, *events: e.Event) -> None:
        for event in events:
            ((answer,),) = self.writer.commit([[Draft.fresh(event, principal)]])
            assert isinstance(answer, Receipt), answer

    def declare(self, spec: Spec | None = None) -> None:
        applied = spec or a_spec()
        self.record("user:dora", e.SpecApplied(name="flights", digest=applied.digest, spec=applied.as_document()))
        self.record("user:dora", e.ModelDeclared(model=MODEL, spec="flights", partition={"carrier": "UA"}))

    def prepare(self) -> None:
        self.record("user:dora", prepared())

    def make(self, version: int = 1) -> None:
        report = e.VersionEvaluated(model=MODEL, version=version, report=a_report())
        self.record("user:dora", registered(version), report)

    def served(self, version: int = 1) -> None:
        """All that must be so before a version answers, if the policy approves by itself."""
        self.declare()
        self.prepare()
        self.make(version)

    def decide(
        self, decision_id: str, *, version: int = 1, rows: int = 1, variant: Variant = Variant.CHAMPION
    ) -> Decision:
        signed = self.writer.state.models[MODEL].versions[version].signed
        assert signed is not None
        now = self.clock()
        return Decision(
            decision_id=decision_id,
            time=now,
            event_time=now,
            model=MODEL,
            version=version,
            artifact=signed.grant.artifact,
            grant_id=signed.grant.grant_id,
            variant=variant,
            caller="planning",
            trace_id="",
            latency_us=812,
            numbers=([12.5] * rows, [float("nan")] * rows),
            texts=(["UA"] * rows, [None] * rows),
            outputs=[321.5 + row for row in range(rows)],
        )

    def seal(self, *decisions: Decision) -> e.SegmentSealed:
        """One segment of these decisions, recorded."""
        frames = []
        for decision in decisions:
            frames.append(NumberedDecision(self._numbers + 1, decision))
            self._numbers += decision.rows
        (segment,) = seal(frames, self.store, "replica-1", "epoch-1")
        self.record("service:replica", segment)
        return segment

    def delete(self, segment: e.SegmentSealed, *, keep_body: bool = False) -> None:
        """As retention does it: the entry first, then the store."""
        deleted = BodiesDeleted(
            digests=(segment.digest,), models=(MODEL,), records=segment.records, before=segment.last_time, reason="over"
        )
        self.record("user:dora", deleted)
        if not keep_body:
            self.store.delete(segment.digest)

    def publish(self) -> bytes:
        published = self.publisher.publish()
        assert published is not None
        return published.note.encode()

    def signed(self, until: int | None = None) -> SignedLedger:
        return SignedLedger(self.log.database, until=until)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    clock: list[Installation] = []
    with Log.open(f"sqlite:///{tmp_path / 'ledger.db'}", lambda: clock[0].clock() if clock else MONDAY) as log:
        made = Installation(tmp_path, log)
        clock.append(made)
        yield made


@pytest.fixture
def decision_id() -> str:
    return derived_id("decision", 1)

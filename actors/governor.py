"""The governor: the one writer of the ledger, and the one that tells others what is so.

Named, detached, restarted for ever; everything it knows it reads back from the ledger when it starts.
Others follow it by long polls: replicas ask for routes, monitor and operator for entries. When another governor
took its ledger over it leaves (``succession``), and until then it tells nobody anything of its state.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import ray

from actors.metrics import export_in_a_thread
from actors.replicas import Changes, Replicas
from actors.succession import leave, take_ledger
from runtime.domain.base import Document
from runtime.domain.entry import Draft, Entry
from runtime.domain.errors import Forbidden
from runtime.domain.events import Event, GovernorStarted
from runtime.domain.model_state import FindingState, IncidentState, ModelState
from runtime.domain.packed import Packed
from runtime.domain.policies import PolicyState
from runtime.domain.pools import PoolOptions
from runtime.domain.routes import Routes
from runtime.domain.sealed import KINDS, Sealed, likely
from runtime.domain.spec import Spec
from runtime.domain.state import BatchState, ErasureState, HoldState, MonitorSave, TokenState, Totals
from runtime.domain.tokens import GOVERNOR_ITSELF, AuthenticationSet, Role, TokenCreated
from runtime.governance.fence import LeaseWatch
from runtime.governance.snapshots import Snapshots, secret_of
from runtime.governance.writer import Answer, Writer
from runtime.ledger.errors import LedgerHeld
from runtime.ledger.group_commit import GroupCommit
from runtime.ledger.note import Signer
from runtime.ledger.past import root_at
from runtime.ledger.proofs import ConsistencyProof, InclusionProof, Proofs, PublishedCheckpoint
from runtime.ledger.publisher import Publisher, PublisherThread, origin_of
from runtime.ledger.signers import open_key
from runtime.ledger.signing import sign_grant
from runtime.ledger.trusted import parse_trusted, require_known_signer
from runtime.policy.pools import PoolView, views
from runtime.policy.reactions import GOVERNOR
from runtime.settings import Settings
from runtime.telemetry import families
from runtime.telemetry.ledger import Commits, fleet_samples
from runtime.telemetry.samples import Sample

if TYPE_CHECKING:  # every driver imports this module; what it needs for outsiders only the governor does
    from runtime.serving.authentication.commands import CommandGate
    from runtime.witness.publication import Publication


class Summary(Document):
    """The fleet in numbers, and the ledger's head."""

    size: int
    root: str
    models: int
    serving: int
    rollouts: int
    due: int
    findings: int
    batches: int
    ticks_until: datetime
    public_key: str
    pid: int


class Monitoring(Document):
    """How many monitors share the models, and what each saved, by its key; as of ``size`` entries."""

    size: int
    monitors: int
    saves: dict[str, MonitorSave]


class Governor:
    """See the module's docstring. All methods are safe to repeat."""

    def __init__(self, settings: Settings) -> None:
        key = open_key(settings.key)
        self._key = key
        trusted = parse_trusted(settings.trusted_keys)
        self._log = take_ledger(settings.database)
        if self._log.size:
            own = Signer(key, settings.origin or origin_of(self._log)).verifier
            require_known_signer(self._log.database, own, trusted)
        snapshots = Snapshots(self._log, secret_of(key))
        self._writer = Writer(self._log, lambda grant: sign_grant(grant, key), snapshots)
        gc.freeze()  # what the ledger made of itself stays: the collector need not look through it
        self._measured = Commits()
        self._watch = LeaseWatch(self._log.database.require_lease, self._fenced)
        self._commits: GroupCommit[list[Draft], list[Answer]] = GroupCommit(self._measured.timed(self._writer.commit))
        self._changes = Changes()
        usual = PoolOptions.model_validate({"replicas": settings.replicas})
        self._replicas = Replicas(self._writer, usual, self._changes)
        started = GovernorStarted(
            epoch=self._writer.state.governor_starts + 1, key_id=key.key_id, public_key=key.public_key_text
        )
        self._decide(started)
        if settings.authentication != self._writer.state.authentication:
            self._decide(AuthenticationSet(mode=settings.authentication))
        self._gate = _command_gate(settings)
        self._proofs = Proofs(self._log.database)
        signer = Signer(key, settings.origin or origin_of(self._log))
        self._publisher = Publisher(self._log, signer, clock=lambda: datetime.now(UTC), trusted=trusted)
        self._publishing = PublisherThread(self._publisher)
        from runtime.witness.outsiders import start_handing

        self._handing = start_handing(
            settings.witnesses,
            settings.anchor,
            timedelta(days=settings.anchor_days),
            self._log.database,
            self._proofs,
        )
        self._vkey = signer.verifier.vkey
        self._exporting = export_in_a_thread(self._samples)

    def _samples(self) -> list[Sample]:
        """What it tells of itself; of a fleet whose ledger went to another governor, nothing."""
        replicas = self._replicas.by_pool()
        with self._writer.lock:
            state = self._writer.state  # copied, so that nobody waits while thousands of models are counted
            state = replace(
                state, models=dict(state.models), findings=dict(state.findings), batches=dict(state.batches)
            )
        live = [Sample(families.REPLICAS, (pool,), count) for pool, count in replicas.items()]
        return [*self._measured.take(), *fleet_samples(state), *live]

    # --- writing -----------------------------------------------------------------------------------

    @ray.method
    async def record(self, drafts: list[Draft], credential: str | None) -> list[Answer]:
        """Receipts of the drafts, or the errors that refused them, once they are durable.

        ``credential`` proves who hands them in. Raises ``LedgerHeld`` when another governor has the ledger; then
        this one is about to end.
        """
        proof = await self._gate.proof(credential, self._writer.state.tokens, time.time())
        try:
            answers = await self._commits.submit([draft.proven(proof) for draft in drafts])
        except LedgerHeld as error:
            self._fenced(error)
            raise
        self._changes.tell()
        return answers if len(answers) == 1 else Packed(answers)

    @ray.method
    async def first_admin(self, created: TokenCreated, credential: str) -> Answer | None:
        """Makes the key of an admin when there is none that is valid, for whoever holds the cluster's own key.

        Its receipt; None when there is an admin.
        """
        if not self._gate.is_own(credential):
            raise Forbidden("the first admin's key", "it needs the cluster's own secret")
        with self._writer.lock:
            keys = [token.key for token in self._writer.state.tokens.values()]
        if any(Role.ADMIN in key.roles and key.is_live(datetime.now(UTC)) for key in keys):
            return None
        ((answer,),) = [await self._commits.submit([replace(Draft.fresh(created, GOVERNOR), proof=GOVERNOR_ITSELF)])]
        self._changes.tell()
        return answer

    def _decide(self, event: Event) -> None:
        """Records what the governor itself decides, before it takes any command."""
        self._writer.commit([[replace(Draft.fresh(event, GOVERNOR), proof=GOVERNOR_ITSELF)]])

    def _fenced(self, error: LedgerHeld) -> None:
        """Another governor took over: from here on nothing of the state is told, and soon this process ends."""
        self._writer.fence(error)
        leave(error)

    # --- following ---------------------------------------------------------------------------------

    @ray.method
    async def entries(self, since: int, limit: int = 1000) -> list[Entry]:
        """Entries from index ``since`` on; waits for the first new one, at most ``POLL_SECONDS``."""
        await self._changes.until(lambda: self._writer.state.size > since)
        return await asyncio.to_thread(lambda: list(self._log.entries(since, limit)))

    @ray.method
    async def sealed(self, model: str, decision_id: str) -> Sealed:
        """Where the ledger says that a decision may lie. Raises ``UnknownModel``."""
        with self._writer.lock:
            versions = self._writer.state.model(model).versions.values()
            baselines = {each.number: each.registered.baseline for each in versions}
        found = await asyncio.to_thread(lambda: likely(decision_id, self._log.entries(kinds=KINDS)))
        return Sealed(found, baselines)

    @ray.method
    async def routes(self, pool: str, replica: str, size: int, flush: int) -> Routes:
        """Routes that changed after ``size``; says at the same time what the replica has applied and flushed."""
        return await self._replicas.routes(pool, replica, size, flush)

    @ray.method
    async def flush(self, pool: str) -> int:
        """Every live replica seals what it captured; the ledger size after which all of it is recorded."""
        await self._replicas.flush(pool)
        return self._writer.state.size

    @ray.method
    async def routes_applied(self, pool: str) -> bool:
        """Waits until every live replica of the pool follows the present routes."""
        await self._replicas.applied(pool)
        return True

    @ray.method
    async def following(self, pool: str) -> int:
        """How many live replicas of the pool follow the present routes."""
        return self._replicas.following(pool)

    # --- reading -----------------------------------------------------------------------------------

    @ray.method
    async def summary(self) -> Summary:
        """Counts over the fleet, and the head of the ledger."""
        with self._writer.lock:
            state = self._writer.state
            return Summary(
                size=state.size,
                root=self._log.root,
                models=len(state.models),
                serving=sum(model.champion is not None for model in state.models.values()),
                rollouts=sum(model.rollout is not None for model in state.models.values()),
                due=sum(model.due is not None for model in state.models.values()),
                findings=len(state.findings),
                batches=len(state.batches),
                ticks_until=state.ticks_until,
                public_key=self._key.public_key_text,
                pid=os.getpid(),
            )

    @ray.method
    async def vkey(self) -> str:
        """The public key and name under which checkpoints are signed, as C2SP writes them."""
        return self._vkey

    @ray.method
    async def publication(self) -> Publication:
        """The newest checkpoint, why there is no newer one, and how far witnesses and anchor have come."""
        from runtime.witness.outsiders import reported
        from runtime.witness.publication import Publication

        newest = await asyncio.to_thread(self._proofs.checkpoint)
        outsiders = [reported(handing) for handing in self._handing]
        return Publication.of(self._writer.state.size, newest, self._publishing.failure, outsiders)

    @ray.method
    async def size(self) -> int:
        """Entries in the ledger."""
        return self._writer.state.size

    @ray.method
    async def root(self, size: int) -> str:
        """The ledger's root when it had so many entries. Raises ``LedgerCorrupt`` when it never had."""
        return (await asyncio.to_thread(root_at, self._log.database, size)).hex()

    @ray.method
    async def checkpoint(self) -> PublishedCheckpoint | None:
        """The signed head of the ledger as it is now. Raises ``PublicationRefused`` after tampering."""
        return await asyncio.to_thread(self._publisher.publish)

    @ray.method
    async def inclusion_proof(self, seq: int, size: int | None = None) -> InclusionProof:
        """That entry ``seq`` stands in the ledger, by default in its newest checkpoint. Raises ``NeverHeld``."""
        return await asyncio.to_thread(self._proofs.inclusion, seq, size)

    @ray.method
    async def consistency_proof(self, old_size: int, size: int | None = None) -> ConsistencyProof:
        """That the ledger only grew since it had ``old_size`` entries. Raises ``NeverHeld``."""
        return await asyncio.to_thread(self._proofs.consistency, old_size, size)

    @ray.method
    async def models(self) -> list[ModelState]:
        """All models, by name."""
        with self._writer.lock:
            return sorted(self._writer.state.models.values(), key=lambda model: model.name)

    @ray.method
    async def model(self, name: str) -> ModelState:
        """Raises ``UnknownModel``."""
        with self._writer.lock:
            return self._writer.state.model(name)

    @ray.method
    async def specs(self) -> dict[str, Spec]:
        """Applied specs by name."""
        with self._writer.lock:
            return dict(self._writer.state.specs)

    @ray.method
    async def policies(self) -> list[PolicyState]:
        """What overrides specs, or is proposed to; of those in force the one that rules over the others last."""
        with self._writer.lock:
            return list(self._writer.state.policies.values())

    @ray.method
    async def pools(self) -> list[PoolView]:
        """Pools that models need or that were configured, by name."""
        with self._writer.lock:
            return views(self._writer.state)

    @ray.method
    async def findings(self) -> list[FindingState]:
        """All findings, oldest first."""
        with self._writer.lock:
            return list(self._writer.state.findings.values())

    @ray.method
    async def finding(self, name: str) -> FindingState | IncidentState:
        """A finding or an incident by its id, or the first letters of it. Raises ``UnknownFinding``."""
        with self._writer.lock:
            return self._writer.state.finding(name)

    @ray.method
    async def incidents(self) -> list[IncidentState]:
        """All incidents, oldest first."""
        with self._writer.lock:
            return list(self._writer.state.incidents.values())

    @ray.method
    async def monitoring(self) -> Monitoring:
        """How many monitors share the models, and what they saved."""
        with self._writer.lock:
            state = self._writer.state
            return Monitoring(size=state.size, monitors=state.monitors, saves=dict(state.saves))

    @ray.method
    async def batch(self, batch: str) -> BatchState | None:
        """One retraining batch."""
        with self._writer.lock:
            return self._writer.state.batches.get(batch)

    @ray.method
    async def holds(self) -> list[HoldState]:
        """All legal holds by number, released or not."""
        with self._writer.lock:
            return list(self._writer.state.holds.values())

    @ray.method
    async def erasures(self) -> list[ErasureState]:
        """All erasures of data subjects, done or only ordered, by pseudonym."""
        with self._writer.lock:
            return list(self._writer.state.erasures.values())

    @ray.method
    async def tokens(self) -> list[TokenState]:
        """All API keys, oldest first, revoked or not."""
        with self._writer.lock:
            return list(self._writer.state.tokens.values())

    @ray.method
    async def roles(self) -> dict[str, tuple[Role, ...]]:
        """Roles that were given, by principal."""
        with self._writer.lock:
            return dict(self._writer.state.roles)

    @ray.method
    async def totals(self) -> Totals:
        """Counts of what was recorded."""
        with self._writer.lock:
            return self._writer.state.totals

    @ray.method
    async def skipped(self) -> dict[tuple[str, tuple[str, ...]], str]:
        """Partitions that are no models, and why."""
        with self._writer.lock:
            return dict(self._writer.state.skipped)


def _command_gate(settings: Settings) -> CommandGate:
    from runtime.serving.authentication.commands import CommandGate
    from runtime.serving.authentication.oidc import tokens_of
    from runtime.serving.authentication.pepper import Pepper
    from runtime.serving.authentication.provider import provider_of

    return CommandGate(Pepper.load_or_create(settings.pepper), tokens_of(provider_of(settings)))

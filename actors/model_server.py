"""The Serve deployment of a pool: wires pool, capture and long poll and hands HTTP and gRPC to ``runtime.serving``.

Serve calls the plain ASGI application in the replica's own event loop (throughput-optimised mode, HAProxy in front):
no FastAPI, no routing table, no access log. A replica is ready when it has applied its first routes, or after
``FIRST_ROUTES_WITHIN``, so that a governor that is away does not keep a restarted replica out for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError

from actors.metrics import export_for_ever
from actors.names import GOVERNOR, NAMESPACE
from actors.own_port import keep_own_port_to_host
from runtime.domain.entry import Draft
from runtime.domain.packed import Packed
from runtime.domain.pools import mount_of
from runtime.domain.routes import Routes, Servable
from runtime.domain.sealed import Sealed
from runtime.flavors import load
from runtime.flavors.passed import Passed
from runtime.flavors.quarantine import Limits, Quarantine
from runtime.ledger.signing import check_grant, key_id_of
from runtime.serving.authentication.authorise import GatedAuthority
from runtime.serving.authentication.checking import Checking
from runtime.serving.authentication.denials import Denials
from runtime.serving.capture import Capture, CaptureLimits
from runtime.serving.follower import PRINCIPAL, Follower, GovernorAway, Refusals
from runtime.serving.grpc import LOOPBACK_ONLY, GrpcFace, Peers
from runtime.serving.grpc_service import Methods
from runtime.serving.http import Service
from runtime.serving.mount import mounted
from runtime.serving.pool import LIMIT_BYTES, Pool
from runtime.serving.recorded import LedgerAway, Recorded
from runtime.serving.subjects import Subjects, no_keyring
from runtime.storage.keyring import Keyring
from runtime.storage.objects import ObjectStore
from runtime.telemetry import families
from runtime.telemetry.requests import Requests
from runtime.telemetry.samples import Names, Sample
from runtime.telemetry.traces import Traces

_log = logging.getLogger(__name__)

FIRST_ROUTES_WITHIN = timedelta(seconds=20)
_GOVERNOR_ANSWERS_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a replica must know; plain values, since they travel."""

    pool: str
    public_keys: tuple[str, ...]
    """Of the governor: whose grants are honoured, the present key first."""
    store: str
    wal: str
    environment: str = "prod"
    governor: str = GOVERNOR
    namespace: str = NAMESPACE
    seal_seconds: float = 5.0
    pool_bytes: int = LIMIT_BYTES
    """Memory for loaded versions."""
    subjects: str = ""
    """The folder of data subjects' keys, shared by all nodes that run a replica; ``keyring`` is its id."""
    keyring: str = ""
    checking: Checking = field(default_factory=Checking)
    first_load: Limits = field(default_factory=Limits)
    passed: str = ""
    """The folder of this node that remembers what passed its first load; empty: each replica for itself."""

    def quarantine(self) -> Quarantine:
        """Where this replica tries what is new on its node."""
        limits = self.first_load
        passed = Passed.under(Path(self.passed), str(limits)) if self.passed else Passed()
        return Quarantine(limits, passed)

    def open_keyring(self) -> Keyring:
        """Raises ``KeyringUnavailable``, also for a folder of this node's own."""
        return Keyring.open(Path(self.subjects), _now, expected=self.keyring) if self.subjects else no_keyring()

    def peers(self) -> Peers:
        """Whose gRPC connections are taken."""
        return LOOPBACK_ONLY if self.checking.mode == "none" else Peers()


class RemoteGovernor:
    """The governor as a replica reaches it: by name, found again after it was away."""

    def __init__(self, options: ServerOptions, replica: str) -> None:
        self._options, self._replica, self._own_key = options, replica, options.checking.own_key()
        self._found: ActorHandle[Any] | None = None

    async def routes(self, size: int, flush: int) -> Routes:
        """One long poll. Raises ``GovernorAway``."""
        governor = await asyncio.to_thread(self._find)
        try:
            answer: Awaitable[Routes] = governor.routes.remote(self._options.pool, self._replica, size, flush)
            return await asyncio.wait_for(answer, _GOVERNOR_ANSWERS_WITHIN_S)
        except (RayError, TimeoutError) as error:
            raise self._away(error) from error

    async def sealed(self, model: str, decision_id: str) -> Sealed:
        """Where a decision may lie. Raises ``LedgerAway``."""
        try:
            governor = await asyncio.to_thread(self._find)
            answer: Awaitable[Sealed] = governor.sealed.remote(model, decision_id)
            return await asyncio.wait_for(answer, _GOVERNOR_ANSWERS_WITHIN_S)
        except (GovernorAway, RayError, TimeoutError) as error:
            raise LedgerAway(model, f"{type(error).__name__}: {error}") from error

    async def record(self, drafts: list[Draft]) -> None:
        """Drafts in the ledger. Raises ``GovernorAway``, or the error that refused one."""
        await asyncio.to_thread(self.publish, drafts)

    def publish(self, drafts: list[Draft]) -> None:
        """As ``record``, for threads."""
        governor = self._find()
        try:
            sent: ray.ObjectRef[list[object]] = governor.record.remote(Packed(drafts), self._own_key)
            answers = ray.get(sent, timeout=_GOVERNOR_ANSWERS_WITHIN_S)
        except (RayError, GetTimeoutError) as error:
            raise self._away(error) from error
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer

    def _find(self) -> ActorHandle[Any]:
        if self._found is None:
            try:
                self._found = ray.get_actor(self._options.governor, namespace=self._options.namespace)
            except (ValueError, RayError) as error:
                raise self._away(error) from error
        return self._found

    def _away(self, error: Exception) -> GovernorAway:
        self._found = None
        return GovernorAway(f"{type(error).__name__}: {error}")


class ModelServer(Methods):
    """One replica. Its constructor returns when it may take traffic."""

    async def __init__(self, options: ServerOptions) -> None:  # type: ignore[misc]  # Serve awaits it
        keep_own_port_to_host()
        replica = serve.get_replica_context().replica_id.unique_id
        self._quarantine, self._requests = options.quarantine(), Requests()
        self._traces = Traces.from_environment(replica)
        governor = RemoteGovernor(options, replica)
        refusals = Refusals()
        store = await asyncio.to_thread(ObjectStore.open, options.store)
        self._capture = await asyncio.to_thread(_capture, options, replica, store, governor)
        pool = self._pool = Pool(
            replica,
            check=_checker(options),
            fetch=store.get,
            vet=self._quarantine.check,
            load=load,
            on_refused=refusals.add,
            clock=_now,
            limit_bytes=options.pool_bytes,
        )
        self._applied = asyncio.Event()
        subjects = Subjects(options.open_keyring)
        recorded = Recorded(store, governor.sealed, lambda pseudonym: options.open_keyring().key_of(pseudonym))
        service = Service(
            pool,
            self._capture,
            _now,
            self._applied.is_set,
            version("fleetward"),
            subjects=subjects,
            recorded=recorded,
            requests=self._requests,
            traces=self._traces,
        )
        gate, denials = options.checking.gate(), Denials(replica, PRINCIPAL, _now)
        self._mount = mount_of(options.pool)
        self._application = GrpcFace(service, self._close, GatedAuthority(gate, denials.add), options.peers())
        follower = self._follower = Follower(
            pool, governor, self._capture, refusals, gate, denials, forget=subjects.forget
        )
        self._following = asyncio.create_task(follower.run(self._applied))
        self._exporting = asyncio.create_task(export_for_ever(lambda: self._measured(options.pool)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._applied.wait(), FIRST_ROUTES_WITHIN.total_seconds())

    def __serve_build_asgi_app__(self) -> Callable[..., Awaitable[None]]:
        """What Serve mounts, asked for after the constructor."""
        return mounted(self._application, self._mount)

    async def answers_for(self, models: Sequence[str]) -> bool:
        """Whether this replica would answer for all of them; the operator asks before it sends requests here."""
        return all(live.champion is not None for live in self._pool.models() if live.model in models)

    async def _measured(self, pool: str) -> list[Sample]:
        """What this replica answered since it last told, and what it holds."""
        models = [live.model for live in self._pool.models()]
        return [
            *self._requests.take(pool, Names(models)),
            Sample(families.MEMORY, (pool,), self._pool.size_bytes()),
            Sample(families.ROUTES, (pool,), len(models)),
            Sample(families.APPLIED, (pool,), self._follower.size),
        ]

    async def _close(self) -> None:
        self._following.cancel()
        self._exporting.cancel()
        await asyncio.to_thread(self._quarantine.close)
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)
        with contextlib.suppress(Exception):  # what cannot be sealed now lies in the directory and is adopted
            await asyncio.to_thread(self._capture.close)


def _capture(options: ServerOptions, replica: str, store: ObjectStore, governor: RemoteGovernor) -> Capture:
    directory = Path(options.wal)
    directory.mkdir(parents=True, exist_ok=True)
    limits = CaptureLimits(every=timedelta(seconds=options.seal_seconds))
    capture = Capture(replica, directory, store, governor.publish, principal=PRINCIPAL, limits=limits)
    capture.start()
    return capture


def _checker(options: ServerOptions) -> Callable[[Servable, str], None]:
    keys = {key_id_of(key): key for key in options.public_keys}

    def check(servable: Servable, model: str) -> None:
        grant = servable.signed.grant
        check_grant(
            servable.signed,
            keys.get(servable.signed.key_id, options.public_keys[0]),
            model=model,
            version=grant.version,
            artifact=grant.artifact,
            environment=options.environment,
            pool=options.pool,
            now=_now(),
        )

    return check


def _now() -> datetime:
    return datetime.now(UTC)

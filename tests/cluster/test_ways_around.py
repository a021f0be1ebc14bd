"""Ways around governance, tried on a fleet that requires authentication: each is refused, and each leaves a record."""

from __future__ import annotations

import pickle
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest
import ray

from runtime.domain.base import Document
from runtime.domain.entry import Draft
from runtime.domain.errors import Forbidden, LedgerCorrupt, Refused
from runtime.domain.events import (
    ApprovalGiven,
    ApprovalRevoked,
    CommandRefused,
    LoadRefused,
    ModelRetired,
    ModelSuspended,
    RenewalAsked,
    RetirementAnnounced,
    RolloutStarted,
    Stage,
    Step,
)
from runtime.domain.grant import Grant, SignedGrant
from runtime.domain.model_state import ModelState
from runtime.domain.pools import PoolOptions
from runtime.domain.routes import Route, Routes, Servable
from runtime.domain.tokens import AccessRefused, Role, RoleGiven, TokenCreated, TokenRevoked
from runtime.ledger.signing import SigningKey, sign_grant
from runtime.ledger.verify import verify_log
from runtime.local_cluster import LocalCluster
from runtime.serving.authentication.checking import Checking
from runtime.serving.authentication.pepper import NewKey, Pepper
from tests.cluster.fleet import Fleet, ask, environment, fleet_up, slip_in, tamper, train
from tests.cluster.routes import MODELS
from tests.waiting import wait_until

E = TypeVar("E", bound=Document)
FULL = (Step(stage=Stage.FULL, share=1.0, decisions=0),)


@pytest.fixture(scope="module")
def fleet(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet with champions; who brought it up holds a key of every role."""
    with fleet_up(cluster, tmp_path_factory.mktemp("ways"), "required") as fleet:
        train(fleet)
        assert ask(fleet, MODELS[0]).status_code == 200
        yield fleet


@pytest.fixture(autouse=True)
def acting(fleet: Fleet) -> Iterator[None]:
    """A test acts with the fleet's settings, as who brought it up."""
    with environment(fleet.settings.as_environment()):
        yield


def recorded(fleet: Fleet, kind: type[E]) -> list[E]:
    return [entry.event for entry in fleet.entries() if isinstance(entry.event, kind)]


def hand_in(fleet: Fleet, event: Any, principal: str, credential: str | None) -> Any:
    """The governor's answer to one command."""
    from actors.connect import governor

    (answer,) = ray.get(governor().record.remote([Draft.fresh(event, principal)], credential))
    return answer


def own_credential(fleet: Fleet) -> str:
    return fleet.headers["authorization"].removeprefix("Bearer ")


def make_key(fleet: Fleet, name: str, *roles: Role, models: tuple[str, ...] = ("*",)) -> NewKey:
    made = Pepper.load(fleet.settings.pepper).new_key()
    expires = datetime.now(UTC) + timedelta(days=1)
    event = TokenCreated(token=made.token, name=name, roles=roles, models=models, expires=expires, secret=made.secret)
    answer = hand_in(fleet, event, fleet.settings.principal, own_credential(fleet))
    assert not isinstance(answer, Exception), answer
    return made


def model_of(fleet: Fleet, name: str) -> ModelState:
    from actors.connect import governor

    state: ModelState = ray.get(governor().model.remote(name))
    return state


def infer(url: str, model: str = MODELS[0], credential: str | None = None) -> httpx.Response:
    headers = {} if credential is None else {"authorization": f"Bearer {credential}"}
    return httpx.post(f"{url}/v2/models/{model}/infer", content=b"{}", headers=headers, trust_env=False, timeout=30)


def replica_urls(fleet: Fleet) -> list[str]:
    """The replicas' own ports, behind HAProxy's back."""
    from ray.util.state import list_actors

    first, last = (int(fleet.cluster.env[f"RAY_SERVE_DIRECT_INGRESS_{end}_HTTP_PORT"]) for end in ("MIN", "MAX"))
    pids = [
        int(actor.pid)
        for actor in list_actors(filters=[("state", "=", "ALIVE")], limit=1000)
        if actor.pid and "ServeReplica:pool-default" in actor.class_name
    ]
    ports = {
        each.laddr.port
        for pid in pids
        for each in psutil.Process(pid).net_connections()
        if each.status == psutil.CONN_LISTEN and first <= each.laddr.port < last
    }
    assert len(ports) == fleet.settings.replicas
    return [f"http://127.0.0.1:{port}" for port in sorted(ports)]


# --- at the door ----------------------------------------------------------------------------------------


def test_nothing_of_the_cluster_is_reached_from_another_machine(fleet: Fleet) -> None:
    """Ray's daemons, Serve's proxy, and each replica's own ports, of which Serve opens one everywhere."""
    from actors.diagnosis import open_ports

    assert open_ports(fleet.cluster) == []


def test_a_call_to_a_replicas_own_port_meets_the_same_gate(fleet: Fleet) -> None:
    urls = replica_urls(fleet)
    for url in (*urls, fleet.url):
        response = infer(url)
        assert response.status_code == 401, url
        assert response.headers["www-authenticate"].startswith("Bearer")
    wait_until(lambda: len({e.replica for e in recorded(fleet, AccessRefused) if not e.caller}) == len(urls), 30)


def test_a_key_for_other_models_is_refused_and_named(fleet: Fleet) -> None:
    key = make_key(fleet, "crew", Role.CLIENT, models=(MODELS[1],))
    wait_until(lambda: all(infer(url, MODELS[1], key.text).status_code == 400 for url in replica_urls(fleet)))
    assert infer(fleet.url, MODELS[0], key.text).status_code == 403
    wait_until(lambda: any((e.caller, e.model) == (key.token, MODELS[0]) for e in recorded(fleet, AccessRefused)), 30)


def test_a_revoked_key_is_out_on_all_replicas_within_a_second(fleet: Fleet) -> None:
    key, urls = make_key(fleet, "leaver", Role.CLIENT), replica_urls(fleet)
    wait_until(lambda: all(infer(url, credential=key.text).status_code == 400 for url in urls))
    hand_in(fleet, TokenRevoked(token=key.token, reason="left"), fleet.settings.principal, own_credential(fleet))
    wait_until(lambda: all(infer(url, credential=key.text).status_code == 401 for url in urls), 1.0)
    assert recorded(fleet, TokenRevoked)[-1].token == key.token


# --- at the control plane -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("principal", "has_key"),
    [("user:test", False), ("user:boss", True), ("service:operator", True), ("job:replay", False)],
)
def test_nobody_acts_in_another_name(fleet: Fleet, principal: str, has_key: bool) -> None:
    event = ModelSuspended(model=MODELS[0], reason=f"as {principal}")
    answer = hand_in(fleet, event, principal, own_credential(fleet) if has_key else None)
    assert isinstance(answer, Forbidden), answer
    assert not model_of(fleet, MODELS[0]).suspended
    refusal = recorded(fleet, CommandRefused)[-1]
    assert refusal.command == "model_suspended"
    assert refusal.reason.startswith(principal)


def test_a_client_gives_itself_no_role(fleet: Fleet) -> None:
    key = make_key(fleet, "climber", Role.CLIENT)
    event = RoleGiven(principal="user:climber", role=Role.ADMIN, reason="I want it")
    answer = hand_in(fleet, event, "user:climber", key.text)
    assert isinstance(answer, Forbidden), answer
    assert "it needs the role admin" in recorded(fleet, CommandRefused)[-1].reason


def test_who_registered_a_version_does_not_approve_it(fleet: Fleet) -> None:
    registered = model_of(fleet, MODELS[0]).version(1)
    assert registered.registered_by == fleet.settings.principal
    event = ApprovalGiven(model=MODELS[0], version=1, reason="mine")
    answer = hand_in(fleet, event, fleet.settings.principal, own_credential(fleet))
    assert isinstance(answer, Forbidden), answer
    assert "who registered a version may not approve it" in recorded(fleet, CommandRefused)[-1].reason


def test_a_version_that_nobody_approved_is_not_rolled_out(fleet: Fleet) -> None:
    from actors.recording import record

    model = model_of(fleet, MODELS[0])
    champion = model.serving
    assert champion is not None
    changes = {"version": model.next_version, "parent": champion.number, "batch": "unapproved"}
    record([champion.registered.model_copy(update=changes)], fleet.settings.principal, "unapproved")
    event = RolloutStarted(model=model.name, version=model.next_version, steps=FULL)
    answer = hand_in(fleet, event, fleet.settings.principal, own_credential(fleet))
    assert isinstance(answer, Refused), answer
    assert recorded(fleet, CommandRefused)[-1].command == "rollout_started"
    assert ask(fleet, model.name).json()["model_version"] == str(champion.number)


def test_a_version_is_stopped_on_all_replicas_within_a_second_and_its_model_ends_when_its_callers_were_told(
    fleet: Fleet,
) -> None:
    name, urls, key = MODELS[-1], replica_urls(fleet), own_credential(fleet)
    other = make_key(fleet, "second", Role.APPROVER, Role.OPERATOR)

    def statuses() -> set[int]:
        return {infer(url, name, key).status_code for url in urls}  # an empty question to a version that serves is 400

    wait_until(lambda: statuses() == {400})
    number = model_of(fleet, name).champion
    assert number is not None
    revoked = ApprovalRevoked(model=name, version=number, reason="recalled")
    began = time.perf_counter()
    assert not isinstance(hand_in(fleet, revoked, "user:second", other.text), Exception)
    wait_until(lambda: statuses() == {503}, 1.0)
    print(f"revoked on {len(urls)} replicas after {time.perf_counter() - began:.3f} s")  # noqa: T201
    for event in (
        RenewalAsked(model=name, version=number, reason="a false alarm"),
        ApprovalGiven(model=name, version=number, reason="looked at again"),
    ):
        assert not isinstance(hand_in(fleet, event, "user:second", other.text), Exception)
    wait_until(lambda: statuses() == {400})
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
    told = RetirementAnnounced(model=name, until=until, reason="route closed", successor=MODELS[0])
    assert not isinstance(hand_in(fleet, told, "user:second", other.text), Exception)
    wait_until(lambda: all("sunset" in infer(url, name, key).headers for url in urls))
    wait_until(lambda: statuses() == {410}, 30)
    assert recorded(fleet, ModelRetired)[-1].announced == until


# --- at the artifact ------------------------------------------------------------------------------------


def test_a_swapped_file_is_not_loaded(fleet: Fleet) -> None:
    tampered = tamper(fleet)
    refused = [entry.event for entry in tampered.entries if isinstance(entry.event, LoadRefused)]
    assert {event.version for event in refused} == {tampered.version}
    assert all("DigestMismatch" in event.reason for event in refused)
    assert tampered.answer.json()["model_version"] == str(tampered.champion)


class Boom:
    """A pickle that, were it ever loaded, would leave a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_a_pickle_is_not_loaded_and_not_run(fleet: Fleet) -> None:
    trace = fleet.settings.home / "pickle-ran"
    slipped = slip_in(fleet, "pickled", lambda _: fleet.store.put(pickle.dumps(Boom(trace))))
    refused = [entry.event for entry in slipped.entries if isinstance(entry.event, LoadRefused)]
    assert {event.version for event in refused} == {slipped.version}
    assert all("ArtifactInvalid" in event.reason for event in refused), refused
    assert not trace.exists()
    assert slipped.answer.json()["model_version"] == str(slipped.champion)


# --- behind the governor's back -------------------------------------------------------------------------


class Impostor:
    """Stands in for a governor towards replicas that somebody deployed by hand."""

    def __init__(self, routes: Routes) -> None:
        self._routes, self._refused = routes, list[LoadRefused]()

    def routes(self, pool: str, replica: str, size: int, flush: int) -> Routes:
        del pool, replica
        fresh = self._routes if size < self._routes.size else self._routes.model_copy(update={"routes": ()})
        return fresh.model_copy(update={"flush": flush})

    def record(self, drafts: list[Draft], credential: str | None) -> list[str]:
        del credential
        self._refused += [draft.event for draft in drafts if isinstance(draft.event, LoadRefused)]
        return [draft.event_id for draft in drafts]

    def refused(self) -> list[LoadRefused]:
        return self._refused


def _granted(fleet: Fleet, model: str) -> Servable:
    version = model_of(fleet, model).serving
    assert version is not None
    assert version.signed is not None
    return Servable(signed=version.signed, schema=version.registered.schema_)


def _changed(real: Servable, sign: Callable[[Grant], SignedGrant], **changes: object) -> Servable:
    grant = real.signed.grant.model_copy(update=changes)
    return real.model_copy(update={"signed": sign(grant)})


def test_replicas_deployed_by_hand_load_nothing_without_a_grant_of_their_own(fleet: Fleet, tmp_path: Path) -> None:
    from ray import serve

    from actors.connect import governor
    from actors.model_server import ServerOptions
    from actors.names import NAMESPACE
    from actors.pools import model_server_app

    key = SigningKey.load_or_create(Path(fleet.settings.key))
    stranger = SigningKey.load_or_create(tmp_path / "stranger.pem")
    real, past = _granted(fleet, MODELS[0]), datetime.now(UTC) - timedelta(days=2)

    def good(grant: Grant) -> SignedGrant:
        return sign_grant(grant, key)

    tried = {
        "expired": _changed(real, good, valid_from=past, valid_until=past + timedelta(days=1)),
        "staging": _changed(real, good, environment="staging"),
        "another-pool": _changed(real, good, pool="raw"),
        "replayed": real,  # the real grant of another model
        "stranger": _changed(real, lambda grant: sign_grant(grant, stranger), model="stranger"),
        "stretched": real.model_copy(
            update={
                "signed": SignedGrant(
                    grant=real.signed.grant.model_copy(update={"valid_until": past + timedelta(days=9999)}),
                    key_id=real.signed.key_id,
                    signature=real.signed.signature,
                )
            }
        ),
    }
    own = {"expired", "staging", "another-pool"}
    for name in own:
        tried[name] = _changed(tried[name], good, model=name)
    routes = Routes(size=1, flush=0, routes=tuple(Route(model=name, champion=each) for name, each in tried.items()))
    impostor: Any = ray.remote(Impostor).options(name="impostor", namespace=NAMESPACE, num_cpus=0).remote(routes)
    options = ServerOptions(
        pool="default",
        public_keys=(ray.get(governor().summary.remote()).public_key,),
        store=fleet.settings.store,
        wal=str(tmp_path / "wal"),
        governor="impostor",
        checking=Checking.of(fleet.settings),
    )
    serve.run(model_server_app(options, PoolOptions()), name="by-hand", route_prefix="/by-hand")
    try:
        refused: list[LoadRefused] = []

        def all_refused() -> bool:
            refused[:] = ray.get(impostor.refused.remote())
            return len(refused) >= len(tried)

        wait_until(all_refused)
        told = " ".join(event.reason for event in refused)
        for words in ("expired", "environment", "pool", "model", "signature"):
            assert words in told, told
        assert all("GrantInvalid" in event.reason for event in refused)
    finally:
        serve.delete("by-hand")
        ray.kill(impostor)


def test_after_serves_controller_was_restarted_the_gate_and_the_champion_are_the_same(fleet: Fleet) -> None:
    champion = ask(fleet, MODELS[0]).json()["model_version"]
    controller = ray.get_actor("SERVE_CONTROLLER_ACTOR", namespace="serve")
    ray.kill(controller, no_restart=False)
    wait_until(lambda: _status_of(fleet) == 200, 60)
    assert ask(fleet, MODELS[0]).json()["model_version"] == champion
    assert infer(fleet.url).status_code == 401


def _status_of(fleet: Fleet) -> int:
    from ray import serve

    with suppress(Exception):
        if serve.status().applications["pool-default"].status == "RUNNING":
            return ask(fleet, MODELS[0]).status_code
    return 0


def test_an_edited_row_changes_nothing_that_is_served_and_is_found_by_its_number(fleet: Fleet, tmp_path: Path) -> None:
    champion = ask(fleet, MODELS[0]).json()["model_version"]
    copy = tmp_path / "ledger.db"
    path = Path(fleet.settings.database.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    edited = next(entry.seq for entry in fleet.entries() if isinstance(entry.event, TokenRevoked))
    with closing(sqlite3.connect(copy)) as database:
        column = next(row[1] for row in database.execute("PRAGMA table_info(entries)") if row[1] in {"body", "leaf"})
        changed = f"UPDATE entries SET {column} = CAST(replace({column}, 'left', 'kept') AS BLOB) WHERE seq = ?"  # noqa: S608
        assert database.execute(changed, (edited,)).rowcount == 1
        database.commit()
    with pytest.raises(LedgerCorrupt) as caught:
        verify_log(f"sqlite:///{copy}")
    assert caught.value.seq == edited
    assert ask(fleet, MODELS[0]).json()["model_version"] == champion
    shutil.rmtree(tmp_path, ignore_errors=True)

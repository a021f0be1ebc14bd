"""A decision that was answered before is explained again: to who asked for it, by the very version that made it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.domain.decision import Decision, Variant
from runtime.domain.entry import Draft, Entry
from runtime.domain.events import Event, SegmentContent
from runtime.domain.ids import digest_of, new_id, time_of
from runtime.domain.keeping import BodiesDeleted
from runtime.domain.sealed import Sealed, likely
from runtime.domain.tokens import Role
from runtime.serving.authentication.identity import Identity
from runtime.serving.http import Application, Service
from runtime.serving.pool import Pool
from runtime.serving.recorded import LedgerAway, Recorded
from runtime.serving.router import Action
from runtime.statistics.profile import Profile
from runtime.storage.frames import NumberedDecision
from runtime.storage.keyring import Keyring
from runtime.storage.objects import ObjectStore
from runtime.storage.segments import seal
from tests.unit.serving.conftest import NOW, Client, Kept, Shop, route, routes


def id_at(moment: datetime, number: int) -> str:
    """A UUIDv7 of this moment (RFC 9562, 5.7)."""
    return str(uuid.UUID(int=int(moment.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | number))


@dataclass
class Known:
    """Everybody is who their header says; ``auditor`` is one, the others are clients of every model."""

    async def __call__(self, headers: Any, action: Action, model: str | None) -> Identity:
        caller = headers.get(b"fleetward-caller", b"planning").decode()
        role = Role.AUDITOR if caller == "auditor" else Role.CLIENT
        return Identity(caller, caller, frozenset({role}), ("*",), None, float("inf"))


@dataclass
class World:
    """A replica whose answers are sealed in a real store, and a ledger that says where."""

    store: ObjectStore
    kept: Kept
    pool: Pool
    client: Client
    baseline: str
    entries: list[Entry] = field(default_factory=list)
    keyring: Keyring | None = None
    away: bool = False
    sealed_numbers: int = 0

    async def sealed(self, model: str, decision_id: str) -> Sealed:
        if self.away:
            raise LedgerAway(model, "it is restarted")
        return Sealed(likely(decision_id, self.entries), {1: self.baseline})

    def tell(self, *events: Event) -> None:
        for event in events:
            self.entries.append(
                Entry(len(self.entries), new_id(), NOW, "service:replica", Draft.fresh(event, "x").event)
            )

    def seal(self, *decisions: Decision) -> None:
        numbered = []
        for decision in decisions:
            numbered.append(NumberedDecision(self.sealed_numbers + 1, decision))
            self.sealed_numbers += decision.rows
        self.tell(*seal(numbered, self.store, "replica", "epoch"))

    def ask(self, *rows: list[float]) -> Decision:
        """A decision that was answered, not sealed yet; its id is of the replica's time, as it is in life."""
        body = json.dumps({"instances": list(rows)})
        headers = {"idempotency-key": id_at(NOW, len(self.kept.decisions))}
        answer = self.client.send("POST", "/v1/models/m:predict", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return self.kept.decisions[-1]

    def explain(self, decision_id: str, caller: str = "planning", model: str = "m") -> Any:
        path = f"/v2/models/{model}/decisions/{decision_id}/explanation"
        return self.client.send("GET", path, headers={"fleetward-caller": caller})


@pytest.fixture
def world(shop: Shop, kept: Kept, tmp_path: Path) -> Iterator[World]:
    generator = np.random.default_rng(7)
    profile = Profile.from_columns({name: generator.normal(3.0, 1.0, 500) for name in ("a", "b")})
    content = json.dumps({"features": profile.as_document()}).encode()
    shop.content[digest_of(content)] = content
    store = ObjectStore.open(str(tmp_path / "store"))
    store.put(content)
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10).model_copy(update={"baseline": digest_of(content)}))))
    made: World

    def key_of(pseudonym: str) -> Any:
        assert made.keyring is not None
        return made.keyring.key_of(pseudonym)

    async def on_shutdown() -> None:
        """Nothing to close."""

    async def sealed(model: str, decision_id: str) -> Sealed:
        return await made.sealed(model, decision_id)

    recorded = Recorded(store, sealed, key_of)
    service = Service(pool, kept, lambda: NOW, lambda: True, "0.1.0", recorded=recorded)
    made = World(store, kept, pool, Client(Application(service, on_shutdown, Known())), digest_of(content))
    yield made
    made.client.close()


def test_a_decision_is_explained_afterwards_as_it_was_recorded(world: World) -> None:
    other, decision = world.ask([9.0, 9.0]), world.ask([2.0, 1.0], [5.0, 1.0])
    world.seal(other, decision)
    answer = world.explain(decision.decision_id)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert (document["decision_id"], document["model"], document["version"]) == (decision.decision_id, "m", 1)
    assert document["artifact"] == decision.artifact
    assert [row["output"] for row in document["rows"]] == decision.outputs == [20.0, 50.0]
    for row in document["rows"]:
        assert document["base"] + sum(row["contributions"].values()) == pytest.approx(row["output"])


def test_only_who_asked_for_it_and_auditors_may_see_why(world: World) -> None:
    decision = world.ask([2.0, 1.0])
    world.seal(decision)
    assert world.explain(decision.decision_id, caller="auditor").status_code == 200
    refused = world.explain(decision.decision_id, caller="somebody-else")
    assert refused.status_code == 403
    assert "it needs the role auditor" in refused.json()["error"]


def test_an_answer_that_its_version_does_not_give_again_is_not_explained(world: World) -> None:
    decision = world.ask([2.0, 1.0])
    world.seal(replace(decision, outputs=[20.000000000000004]))
    refused = world.explain(decision.decision_id)
    assert refused.status_code == 500
    assert "20.000000000000004 was recorded, its version answers 20.0 now" in refused.json()["error"]


@pytest.mark.parametrize("change", [{"version": 7}, {"artifact": "sha256:" + "0" * 64}])
def test_a_version_that_is_not_served_any_more_is_named(world: World, change: dict[str, Any]) -> None:
    decision = replace(world.ask([2.0, 1.0]), **change)
    world.seal(decision)
    world.sealed = lambda *_: _known(world, decision)  # type: ignore[method-assign]
    refused = world.explain(decision.decision_id)
    assert refused.status_code == 409
    assert f"made by version {decision.version}" in refused.json()["error"]
    assert f"`fleetward explain {decision.decision_id}`" in refused.json()["error"]


async def _known(world: World, decision: Decision) -> Sealed:
    return Sealed(likely(decision.decision_id, world.entries), {decision.version: world.baseline})


def test_what_is_nowhere_is_404_and_what_cannot_be_known_now_is_503(world: World) -> None:
    decision = world.ask([2.0, 1.0])
    assert world.explain(decision.decision_id).status_code == 404, "not sealed yet"
    world.seal(decision)
    assert world.explain(new_id()).status_code == 404
    assert world.explain(decision.decision_id, model="n").status_code == 404
    assert world.explain("17").status_code == 400
    world.away = True
    assert world.explain(decision.decision_id).status_code == 503


def test_a_shadow_answer_is_no_answer(world: World) -> None:
    decision = world.ask([2.0, 1.0])
    world.seal(replace(decision, variant=Variant.SHADOW, outputs=[1.0]), decision)
    assert world.explain(decision.decision_id).json()["rows"][0]["output"] == 20.0


def test_a_deleted_body_is_not_read_again(world: World) -> None:
    decision = world.ask([2.0, 1.0])
    world.seal(decision)
    digests = tuple(entry.event.digest for entry in world.entries)  # type: ignore[union-attr]
    world.tell(BodiesDeleted(digests=digests, models=("m",), records=1, before=NOW, reason="its time is over"))
    assert world.explain(decision.decision_id).status_code == 404
    assert likely(decision.decision_id, world.entries) == ()


def test_an_erased_subjects_decision_is_gone_for_good(world: World, tmp_path: Path) -> None:
    keyring = world.keyring = Keyring.create(tmp_path / "subjects", lambda: NOW)
    key = keyring.key("m", "ada")
    decision = world.ask([2.0, 1.0])
    world.seal(key.protect(decision))
    assert world.explain(decision.decision_id).status_code == 200
    keyring.destroy("m", "ada", key.pseudonym)
    assert world.explain(decision.decision_id).status_code == 410


def test_a_replica_that_finds_no_decisions_says_so(client: Client) -> None:
    assert client.send("GET", f"/v2/models/m/decisions/{new_id()}/explanation").status_code == 501


def test_only_segments_around_an_ids_time_are_looked_through(world: World) -> None:
    decision = world.ask([2.0, 1.0])
    world.seal(decision)
    assert time_of(decision.decision_id) == NOW
    assert time_of("6f1f1a52-3c0b-5d9e-9a53-0f6e2b1c7d44") is None
    (segment,) = likely("6f1f1a52-3c0b-5d9e-9a53-0f6e2b1c7d44", world.entries)
    assert segment.content is SegmentContent.DECISIONS
    assert likely("01020304-0506-7708-8900-0a0b0c0d0e0f", world.entries) == (), "an id of another year"


def test_the_inference_protocol_has_contributions_as_one_output_more(world: World) -> None:
    inputs = [
        {"name": name, "datatype": "FP64", "shape": [2], "data": data}
        for name, data in (("a", [2.0, 5.0]), ("b", [1.0, 1.0]))
    ]
    answer = world.client.send("POST", "/v2/models/m/explain", content=json.dumps({"id": "x", "inputs": inputs}))
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert (document["id"], document["parameters"]["decision_id"]) == ("x", world.kept.decisions[-1].decision_id)
    predicted, contributed = document["outputs"]
    assert (predicted["name"], predicted["data"]) == ("y", [20.0, 50.0])
    assert (contributed["name"], contributed["shape"]) == ("contributions", [2, 2])
    assert contributed["parameters"]["method"] == "permutation"
    totals = np.array(contributed["data"]).reshape(2, 2).sum(axis=1) + contributed["parameters"]["base"]
    assert totals == pytest.approx([20.0, 50.0])

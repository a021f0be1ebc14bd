"""A pool has a name, options and one prefix; a model that moves holds grants in both until it has moved."""

from typing import Any

import pytest
from pydantic import ValidationError

from runtime.domain import events as e
from runtime.domain.errors import Refused
from runtime.domain.pools import PoolOptions, dedicated, mount_of, prefix_of
from runtime.domain.routes import Route, routes_after
from runtime.domain.serving import Serving
from tests.unit.domain.lives import MODEL, History, a_grant, a_spec, applied, champion, granted

OWN = dedicated(MODEL)


def granted_in(pool: str) -> e.GrantIssued:
    issued = granted()
    grant = a_grant().model_copy(update={"pool": pool, "grant_id": f"grant-{pool}"})
    return issued.model_copy(update={"signed": issued.signed.model_copy(update={"grant": grant})})


def moving() -> History:
    """A champion in the default pool whose spec now asks for an application of its own."""
    return History.of(*champion(), applied(a_spec(serving={"dedicated": True})), granted_in(OWN))


def moved() -> History:
    old = e.GrantRevoked(model=MODEL, version=1, grant_id="grant-1", reason="moved")
    return moving().after(e.ModelMoved(model=MODEL, pool=OWN, reason="")).after(old)


def route(history: History, pool: str) -> Route:
    (found,) = routes_after(history.state, pool, 0, flush=0).routes
    return found


@pytest.mark.parametrize(
    ("written", "least", "most"), [(2, 2, 2), ("1-4", 1, 4), ("3", 3, 3), ({"least": 1, "most": 2}, 1, 2)]
)
def test_replicas_are_a_number_or_a_range(written: Any, least: int, most: int) -> None:
    replicas = PoolOptions.model_validate({"replicas": written}).replicas
    assert (replicas.least, replicas.most) == (least, most)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"replicas": "4-1"}, "a range that goes up, such as 1-4"),
        ({"replicas": "many"}, "a number of replicas such as 2, or a range such as 1-4"),
        ({"replicas": 0}, "greater than or equal to 1"),
        ({"replicas": True}, "a number of replicas"),
        ({"gpus": 1.5}, "a part of one GPU, or whole ones"),
        ({"memory": "2 gigs"}, "a size such as 512MiB or 2GB"),
        ({"cpu": 1}, "Extra inputs"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_what_was_expected(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        PoolOptions.model_validate(options)


def test_sizes_and_parts_are_read() -> None:
    options = PoolOptions.model_validate({"memory": "1.5GiB", "gpus": 0.25, "cpus": 0.5})
    assert (options.memory, options.gpus, options.cpus) == (3 << 29, 0.25, 0.5)
    assert PoolOptions.model_validate(options.as_document()) == options


def test_a_spec_names_a_pool_or_asks_for_an_application_of_its_own() -> None:
    assert Serving().pool_of("m") == "default"
    assert Serving.model_validate({"pool": "fast"}).pool_of("m") == "fast"
    own = Serving.model_validate({"dedicated": {"replicas": "1-2"}})
    assert (own.pool_of("m"), own.pools) == ("dedicated-m", "*")
    assert Serving.model_validate({"dedicated": True}).dedicated == PoolOptions()
    assert Serving.model_validate({"dedicated": False}).pool_of("m") == "default"


@pytest.mark.parametrize("serving", [{"pool": "fast", "dedicated": True}, {"pool": "dedicated-m"}])
def test_a_spec_cannot_ask_for_both_or_for_the_application_of_another(serving: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either the name of a shared pool, or dedicated: true"):
        Serving.model_validate(serving)


@pytest.mark.parametrize("pool", ["Fast", "a/b", "", "dedicated-m"])
def test_only_a_shared_pool_is_configured(pool: str) -> None:
    with pytest.raises(ValidationError):
        e.PoolConfigured(pool=pool, options=PoolOptions())


@pytest.mark.parametrize(
    ("pool", "prefix", "mount"),
    [
        ("default", "/", ""),
        ("fast", "/pools/fast", "/pools/fast"),
        ("dedicated-m.1", "/v2/models/m.1", "/v2/models/m.1/-"),
    ],
)
def test_a_pool_answers_under_one_prefix(pool: str, prefix: str, mount: str) -> None:
    assert (prefix_of(pool), mount_of(pool)) == (prefix, mount)


def test_options_of_a_pool_are_the_last_that_were_configured() -> None:
    first, second = PoolOptions(cpus=1), PoolOptions(cpus=2)
    history = History.of(*[e.PoolConfigured(pool="default", options=options) for options in (first, second)])
    assert history.state.pools == {"default": second}


def test_while_a_model_moves_both_pools_may_answer() -> None:
    history = moving()
    for pool, grant in (("default", "grant-1"), (OWN, f"grant-{OWN}")):
        champion_there = route(history, pool).champion
        assert champion_there is not None
        assert champion_there.signed.grant.grant_id == grant


def test_once_it_has_moved_the_old_pool_knows_who_answers() -> None:
    history = moved()
    assert route(history, OWN).champion is not None
    there = route(history, "default")
    assert there.champion is None
    assert "it has an application of its own, which is not up, or was not reached" in there.reason
    assert f"application: pool-{OWN}" in there.reason


def test_the_old_pool_hears_of_the_move() -> None:
    history = moving()
    size = history.state.size
    history.after(e.ModelMoved(model=MODEL, pool=OWN, reason=""))
    assert [each.model for each in routes_after(history.state, "default", size, flush=0).routes] == [MODEL]


def test_a_named_pool_is_told_by_its_address() -> None:
    history = History.of(*champion(), applied(a_spec(serving={"pool": "fast"})), granted_in("fast"))
    history.after(e.ModelMoved(model=MODEL, pool="fast", reason=""))
    history.after(e.GrantRevoked(model=MODEL, version=1, grant_id="grant-1", reason=""))
    assert route(history, "default").reason == "pool fast answers it, under /pools/fast"
    assert routes_after(history.state, "slow", 0, flush=0).routes == (), "a pool that it never was in"


@pytest.mark.parametrize(
    ("history", "pool", "reason"),
    [
        (moving, "fast", "its spec wants it in dedicated-"),
        (moved, OWN, "it is there already"),
        (
            lambda: History.of(*champion(), applied(a_spec(serving={"pool": "fast"}))),
            "fast",
            "its champion, version 1, holds no grant there",
        ),
    ],
)
def test_a_move_that_nobody_asked_for_is_refused(history: Any, pool: str, reason: str) -> None:
    before = history()
    with pytest.raises(Refused, match=reason):
        before.after(e.ModelMoved(model=MODEL, pool=pool, reason=""))

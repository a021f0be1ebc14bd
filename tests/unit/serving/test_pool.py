import math
import time
from datetime import timedelta

import orjson
import pytest

from runtime.domain.decision import Variant
from runtime.domain.errors import NotServable, UnknownModel, UnknownVersion
from runtime.domain.events import Stage
from runtime.domain.flags import NOT_FINITE
from runtime.domain.ids import new_id
from runtime.domain.routes import Route
from runtime.domain.serving import Serving
from runtime.serving.live import Answer, Caller, NotInMemory
from runtime.serving.memory import Memory
from runtime.serving.pool import Pool
from runtime.serving.predicting import NAMED
from runtime.serving.protocols.oip import Reader
from runtime.serving.protocols.request import InferRequest
from tests.unit.serving.conftest import NOW, SCHEMA, Shop, route, routes


def request(value: float | None = 2.0, **parameters: str) -> InferRequest:
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [value, 1.0]}
    return Reader(SCHEMA).read(orjson.dumps({"inputs": [tensor], "parameters": parameters}))


def ask(pool: Pool, version: str | None = None, asked: InferRequest | None = None) -> Answer:
    return pool.answer("m", version, asked or request(), Caller("alice", "ab" * 16, time.perf_counter()))


def test_the_champion_answers_and_its_decision_says_everything(shop: Shop) -> None:
    pool = shop.pool()
    servable = shop.servable(3, 10)
    pool.apply(routes(route(servable)))
    answer = ask(pool, asked=request(event_time="2013-01-01T00:00:00Z"))
    decision = answer.decision
    assert (answer.output, decision.outputs, decision.variant) == ("y", [20.0], Variant.CHAMPION)
    assert (decision.model, decision.version, decision.grant_id) == ("m", 3, "grant-3")
    assert decision.artifact == servable.signed.grant.artifact
    assert (decision.caller, decision.trace_id) == ("alice", "ab" * 16)
    assert (decision.time, decision.event_time.year) == (NOW, 2013)
    assert (decision.numbers, decision.texts, decision.flags) == (([2.0], [1.0]), (), ())
    assert answer.beside() is None


def test_a_model_without_route_is_unknown_and_one_without_champion_says_why(shop: Shop) -> None:
    pool = shop.pool()
    with pytest.raises(UnknownModel):
        ask(pool)
    pool.apply(routes(Route(model="m", reason="it is suspended")))
    with pytest.raises(NotServable, match="it is suspended"):
        ask(pool)


def test_a_version_whose_first_load_does_harm_is_never_loaded_and_replaces_nothing(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10))))
    shop.harmful.add(b"20")
    pool.apply(routes(route(shop.servable(2, 20))))
    assert ask(pool).decision.version == 1
    assert b"20" not in shop.loads
    [refused] = shop.refused
    assert (refused.version, refused.reason) == (
        2,
        "ArtifactInvalid: artifact refused: its first load took more than 3 s",
    )


def test_only_champion_and_challenger_may_be_named_and_a_named_one_makes_no_pair(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.CANARY, 1.0)))
    champion, challenger = ask(pool, "1"), ask(pool, "2")
    assert (champion.decision.variant, challenger.decision.variant) == (Variant.CHAMPION, Variant.CANARY)
    assert champion.decision.flags == challenger.decision.flags == (NAMED,)
    assert champion.beside() is challenger.beside() is None
    for version in ("3", "01", "x"):
        with pytest.raises(UnknownVersion):
            ask(pool, version)


def test_in_shadow_the_champion_answers_and_the_challenger_predicts_the_same_decision(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.SHADOW)))
    answer = ask(pool)
    shadow = answer.beside()
    assert shadow is not None
    assert (answer.decision.version, answer.decision.outputs) == (1, [20.0])
    assert (shadow.version, shadow.outputs, shadow.variant) == (2, [40.0], Variant.SHADOW)
    assert shadow.decision_id == answer.decision.decision_id


def test_in_canary_the_challenger_answers_its_share_and_the_champion_predicts_beside_it(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.CANARY, 0.3)))
    answers = [ask(pool) for _ in range(2000)]
    canaries = [answer for answer in answers if answer.decision.variant is Variant.CANARY]
    assert abs(len(canaries) - 600) < 5 * (2000 * 0.3 * 0.7) ** 0.5
    beside = [answer.beside() for answer in canaries]
    assert {(each.version, each.variant) for each in beside if each} == {(1, Variant.SHADOW)}
    assert len([each for each in beside if each]) == len(canaries)
    assert all(answer.beside() is None for answer in answers if answer.decision.variant is Variant.CHAMPION)


def test_a_sticky_key_stays_on_its_side_and_a_retry_is_the_same_decision(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.CANARY, 0.5)))
    for key in ("u1", "u2", "u3", "u4"):
        assert len({ask(pool, asked=request(sticky_key=key)).decision.version for _ in range(20)}) == 1
    decision_id = new_id()
    first, again = (ask(pool, asked=request(decision_id=decision_id)).decision for _ in range(2))
    assert (first.decision_id, first.version) == (again.decision_id, again.version) == (decision_id, first.version)


def test_a_shadow_that_fails_is_not_seen_and_a_champion_that_fails_is_not_servable(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 0), Stage.SHADOW)))
    answer = ask(pool)
    assert answer.decision.outputs == [20.0]
    assert answer.beside() is None
    pool.apply(routes(route(shop.servable(2, 0))))
    with pytest.raises(NotServable, match="version 2 failed: ZeroDivisionError: broken model"):
        ask(pool)


def test_a_prediction_that_is_not_finite_is_flagged(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10))))
    decision = ask(pool, asked=request(None)).decision
    assert math.isnan(decision.outputs[0])
    assert decision.flags == (NOT_FINITE,)


def test_a_version_is_loaded_once_and_dropped_when_no_route_uses_it(shop: Shop) -> None:
    pool = shop.pool()
    one, two = shop.servable(1, 10), shop.servable(2, 20)
    pool.apply(routes(route(one)))
    pool.apply(routes(route(one, two, Stage.SHADOW)))
    pool.apply(routes(route(one, two, Stage.CANARY, 0.5)))
    pool.apply(routes(route(two)))
    assert shop.loads == [b"10", b"20"]
    assert len(pool.memory) == 1
    pool.apply(routes(route(one)))
    assert shop.loads == [b"10", b"20", b"10"]


def test_a_request_that_began_before_a_switch_ends_on_the_version_it_began_with(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.SHADOW)))
    answer = ask(pool)
    pool.apply(routes(route(shop.servable(3, 30))))
    shadow = answer.beside()
    assert shadow is not None
    assert shadow.version == 2


@pytest.mark.parametrize("how", ["forged", "tampered", "of another model"])
def test_what_may_not_be_loaded_is_refused_and_the_old_champion_goes_on(shop: Shop, how: str) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10))))
    bad = shop.servable(2, 20, model="other" if how == "of another model" else "m", signature=how)
    shop.forged.add("forged")
    if how == "tampered":
        shop.tamper(bad)
    pool.apply(routes(route(bad)))
    assert ask(pool).decision.version == 1
    assert [(event.version, event.replica) for event in shop.refused] == [(2, "replica-1")]
    assert shop.loads == [b"10"], "nothing of the refused version was loaded"
    pool.retry()
    assert len(shop.refused) == 1, "what is wrong is not tried again"


def test_a_first_version_that_is_refused_leaves_its_model_known_but_not_servable(shop: Shop) -> None:
    pool = shop.pool()
    shop.forged.add("forged")
    pool.apply(routes(route(shop.servable(1, 10, signature="forged"))))
    with pytest.raises(NotServable, match="refused by this replica"):
        ask(pool)


def test_a_refused_challenger_leaves_the_champion_alone(shop: Shop) -> None:
    pool = shop.pool()
    shop.forged.add("forged")
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20, signature="forged"), Stage.CANARY, 1.0)))
    answer = ask(pool)
    assert (answer.decision.version, answer.decision.variant) == (1, Variant.CHAMPION)
    assert [event.version for event in shop.refused] == [2]


def test_one_bad_model_does_not_keep_the_others_out(shop: Shop) -> None:
    pool = shop.pool()
    shop.content["sha256:" + "0" * 64] = b"not a number"
    bad, good = shop.servable(1, 10), shop.servable(1, 20, model="n")
    shop.tamper(bad)
    pool.apply(routes(route(bad), Route(model="n", champion=good)))
    assert [live.model for live in pool.models() if live.champion is not None] == ["n"]


def test_a_store_that_is_away_is_asked_again(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10))))
    shop.away = True
    pool.apply(routes(route(shop.servable(2, 20))))
    assert ask(pool).decision.version == 1
    shop.away = False
    pool.retry()
    assert ask(pool).decision.version == 2


def test_a_model_that_lost_its_champion_stops_at_once(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10))))
    pool.apply(routes(Route(model="m", reason="it is retired")))
    with pytest.raises(NotServable, match="it is retired"):
        ask(pool)
    assert pool.size_bytes() == 0


def test_a_grant_that_ended_is_not_served_even_if_nobody_tells_the_replica(shop: Shop) -> None:
    pool = shop.pool()
    pool.apply(routes(route(shop.servable(1, 10))))
    shop.now = NOW + timedelta(days=2)
    with pytest.raises(NotServable, match="the grant of version 1 has ended"):
        ask(pool)


def test_a_version_beyond_the_limit_waits_for_its_first_request_and_is_loaded_once(shop: Shop) -> None:
    pool = shop.pool()
    pool.memory = Memory(limit_bytes=1)
    pool.apply(routes(route(shop.servable(1, 10)), Route(model="n", champion=shop.servable(1, 20, model="n"))))
    assert shop.loads == [b"10"], "the second found no room"
    caller = Caller("alice", "ab" * 16, time.perf_counter())
    with pytest.raises(NotInMemory) as cold:
        pool.answer("n", None, request(), caller)
    pool.load_now(cold.value.key)
    assert pool.answer("n", None, request(), caller).decision.outputs == [40.0]
    assert (shop.loads, len(pool.memory)) == ([b"10", b"20"], 1)
    with pytest.raises(NotInMemory):
        ask(pool)


def test_a_pair_and_a_pinned_model_are_never_evicted(shop: Shop) -> None:
    pool = shop.pool()
    pool.memory = Memory(limit_bytes=1)
    pinned = Route(model="n", champion=shop.servable(1, 30, model="n"), serving=Serving(pinned=True))
    other = Route(model="o", champion=shop.servable(1, 40, model="o"))
    pool.apply(routes(route(shop.servable(1, 10), shop.servable(2, 20), Stage.SHADOW), pinned, other))
    pool.load_now(pool.live("o").offered[0].key)
    assert all(each.key in pool.memory for name in ("m", "n") for each in pool.live(name).offered)


def test_a_cold_version_whose_bytes_changed_is_refused_once(shop: Shop) -> None:
    pool = shop.pool()
    pool.memory = Memory(limit_bytes=0)
    servable = shop.servable(1, 10)
    pool.apply(routes(route(servable)))
    key = pool.live("m").offered[0].key
    pool.memory.drop(key)
    shop.tamper(servable)
    with pytest.raises(NotServable, match="could not be loaded"):
        pool.load_now(key)
    with pytest.raises(NotServable, match="refused by this replica"):
        ask(pool)
    assert len(shop.refused) == 1

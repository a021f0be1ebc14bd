"""An answer that its model's rules do not trust is flagged, replaced or refused, and the record tells which."""

import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import grpc  # type: ignore[import-untyped]
import numpy as np
import orjson
import pyarrow as pa
import pytest
from pydantic import TypeAdapter
from tritonclient.grpc import service_pb2

from runtime.domain import canonical
from runtime.domain.decision import Variant
from runtime.domain.events import Stage
from runtime.domain.ids import beside_id, digest_of, new_id
from runtime.domain.overrides import Override
from runtime.domain.routes import Route, Servable
from runtime.domain.schema import Field, FieldKind, Schema
from runtime.domain.seen import Bounds, Seen
from runtime.serving.grpc import GrpcFace
from runtime.serving.http import Service
from runtime.serving.live import Overridden
from runtime.serving.overriding import LONGEST_HEADER, header, quoted
from runtime.serving.pool import Pool
from tests.unit.serving.conftest import MIXED, SCHEMA, Client, Kept, Shop, route, routes
from tests.unit.serving.test_grpc import asking

SEEN = Seen(
    numbers={"a": Bounds(low=0, high=10), "b": Bounds(low=0, high=1)},
    categories={"dest": {"ORD": 90, "SFO": 4}},
    predictions=Bounds(low=0, high=100),
)
RULES: TypeAdapter[tuple[Override, ...]] = TypeAdapter(tuple[Override, ...])


class Ruled:
    """Models with rules in the pool: ``m`` is ten times ``a``, ``mixed`` thirty times, ``other`` two times."""

    def __init__(self, shop: Shop, pool: Pool) -> None:
        self.shop, self.pool = shop, pool

    def servable(self, version: int, factor: float, model: str = "m", schema: Schema = SCHEMA) -> Servable:
        """A version whose package says what its training saw."""
        return self.packaged(self.shop.servable(version, factor, model, schema=schema), {"seen": SEEN.as_document()})

    def packaged(self, servable: Servable, baseline: dict[str, Any]) -> Servable:
        stored = self.put(baseline)
        grant = servable.signed.grant.model_copy(update={"package": self.put({"version": {"baseline": stored}})})
        return servable.model_copy(update={"signed": servable.signed.model_copy(update={"grant": grant})})

    def put(self, document: dict[str, Any]) -> str:
        content = canonical.encode(document)
        self.shop.content[digest_of(content)] = content
        return digest_of(content)

    def follow(self, *rules: dict[str, Any], model: str = "m", factor: float = 10, schema: Schema = SCHEMA) -> None:
        champion = self.servable(1, factor, model, schema)
        self.pool.apply(routes(Route(model=model, champion=champion, overrides=RULES.validate_python(rules))))


@pytest.fixture
def ruled(shop: Shop, pool: Pool) -> Ruled:
    return Ruled(shop, pool)


def ask(client: Client, *rows: Sequence[Any], model: str = "m") -> Any:
    return client.send("POST", f"/v1/models/{model}:predict", json={"instances": [*rows]})


def flags(kept: Kept) -> list[tuple[str, ...]]:
    return [decision.flags for decision in kept.decisions]


OUT, MISSING = {"when": "out_of_range", "features": ["a"]}, {"when": "missing", "features": ["b"]}


def test_an_answer_within_the_rules_is_as_it_would_be_without_them(client: Client, kept: Kept, ruled: Ruled) -> None:
    before = client.infer()
    ruled.follow({**OUT, "then": "refuse"})
    after = client.infer()
    assert after.json()["parameters"].keys() == before.json()["parameters"].keys()
    assert after.json()["outputs"] == before.json()["outputs"]
    assert "fleetward-override" not in after.headers
    assert flags(kept) == [(), ()]


def test_a_flag_lets_the_prediction_out_and_says_which_rule_fired(client: Client, kept: Kept, ruled: Ruled) -> None:
    ruled.follow({**OUT, "margin": 0.1, "then": "flag"})
    assert "fleetward-override" not in ask(client, [11.0, 1.0]).headers
    response = ask(client, [12.0, 1.0])
    assert response.json() == {"predictions": [120.0]}
    assert response.headers["fleetward-override"] == 'out_of_range;feature="a";then=flag'
    assert flags(kept) == [(), ("override:flag:out_of_range:a",)]


def test_of_a_batch_the_answer_and_the_record_name_the_rows(client: Client, kept: Kept, ruled: Ruled) -> None:
    ruled.follow({**OUT, "then": "flag"}, {**MISSING, "then": {"value": 7}})
    rows: list[list[Any]] = [[12.0, 1.0], [1.0, None], [2.0, 1.0], [13.0, None], [14.0, 1.0]]
    response = ask(client, *rows)
    assert response.json() == {"predictions": [120.0, 7.0, 20.0, 7.0, 140.0]}
    said = response.headers["fleetward-override"]
    assert said == (
        'out_of_range;feature="a";then=flag;rows="0,3-4", missing;feature="b";then=value;value="7.0";rows="1,3"'
    )
    [decision] = kept.decisions
    assert decision.outputs == [120.0, 10.0, 20.0, 130.0, 140.0]
    assert decision.flags == (
        "@0,3-4 override:flag:out_of_range:a",
        "@1,3 override:value:missing:b",
        "@1,3 answered:7.0",
    )


def test_a_refused_request_is_422_and_is_recorded_with_its_decision_id(
    client: Client, kept: Kept, ruled: Ruled
) -> None:
    ruled.follow({**OUT, "then": "refuse"})
    response = ask(client, [12.5, 1.0])
    document = response.json()
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert document["detail"] == "input 'a': got 12.5; expected 0 to 10, as training saw"
    assert (document["where"], document["found"]) == ("input 'a'", "12.5")
    assert document["override"] == response.headers["fleetward-override"] == 'out_of_range;feature="a";then=refuse'
    [decision] = kept.decisions
    assert decision.decision_id == response.headers["fleetward-decision-id"]
    assert (decision.outputs, decision.flags) == ([125.0], ("override:refuse:out_of_range:a", "refused"))


def test_one_bad_row_refuses_its_batch_and_is_named(client: Client, kept: Kept, ruled: Ruled) -> None:
    ruled.follow({**OUT, "then": "refuse"}, {**MISSING, "then": "refuse"})
    response = ask(client, [1.0, 1.0], [12.0, 1.0], [13.0, None])
    assert response.json()["where"] == "rows 1-2: input 'a'"
    assert response.json()["expected"] == "0 to 10, as training saw (and 1 more)"
    assert flags(kept) == [("@1-2 override:refuse:out_of_range:a", "@2 override:refuse:missing:b", "refused")]


def test_a_category_that_training_did_not_see_is_named_and_a_missing_one_is_none(
    client: Client, kept: Kept, ruled: Ruled
) -> None:
    ruled.follow({"when": "unseen_category", "then": "refuse"}, model="mixed", factor=30, schema=MIXED)
    assert ask(client, [1.0, "SFO", 1.0], model="mixed").status_code == 200
    assert ask(client, [1.0, None, 1.0], model="mixed").status_code == 200
    response = ask(client, [1.0, "XXX", 1.0], model="mixed")
    assert response.json()["detail"] == "input 'dest': got 'XXX'; expected one of the 2 categories that training saw"


def test_a_category_of_few_rows_can_count_as_unseen(client: Client, ruled: Ruled) -> None:
    rule = {"when": "unseen_category", "features": ["dest"], "seen_at_least": 5, "then": "refuse"}
    ruled.follow(rule, model="mixed", factor=30, schema=MIXED)
    assert ask(client, [1.0, "ORD", 1.0], model="mixed").status_code == 200
    expected = ask(client, [1.0, "SFO", 1.0], model="mixed").json()["expected"]
    assert expected == "one of the 1 categories that training saw in at least 5 rows"


def test_a_prediction_outside_those_of_training_fires_and_so_does_one_that_is_no_number(
    client: Client, kept: Kept, ruled: Ruled
) -> None:
    ruled.follow({"when": "outside_trained_predictions", "then": "refuse"})
    assert ask(client, [10.0, 1.0]).status_code == 200
    response = ask(client, [10.5, 1.0])
    assert response.json()["detail"] == "the prediction: got 105.0; expected a prediction of 0 to 100, as training saw"
    assert ask(client, [None, 1.0]).json()["found"] == "nothing"


def test_an_unsure_class_is_answered_by_a_constant_and_the_label_follows_it(
    client: Client, kept: Kept, ruled: Ruled, shop: Shop, pool: Pool
) -> None:
    outputs = tuple(Field(name=name, kind=FieldKind.NUMBER) for name in ("probability", "label"))
    schema = SCHEMA.model_copy(update={"outputs": outputs})
    ruled.follow({"when": "low_confidence", "below": 0.6, "then": {"value": 0.0}}, factor=1, schema=schema)
    answers = [ask(client, [share, 1.0]).json()["predictions"][0] for share in (0.3, 0.59, 0.6, 0.41)]
    assert [(each["probability"], each["label"]) for each in answers] == [
        (0.3, 0.0),
        (0.0, 0.0),
        (0.6, 1.0),
        (0.0, 0.0),
    ]
    assert kept.decisions[1].flags == ("override:value:low_confidence", "answered:0.0")


# --- fallbacks -------------------------------------------------------------------------------------


def test_a_fallback_answers_its_rows_as_a_decision_of_its_own(client: Client, kept: Kept, ruled: Ruled) -> None:
    ruled.follow({**OUT, "then": {"fallback": "other"}})
    ruled.follow(model="other", factor=2)
    response = ask(client, [1.0, 1.0], [20.0, 1.0], [30.0, 0.5])
    assert response.json() == {"predictions": [10.0, 40.0, 60.0]}
    assert response.headers["fleetward-override"].endswith(';then=fallback;model="other";rows="1-2"')
    own, other = kept.decisions
    assert (own.model, own.outputs) == ("m", [10.0, 200.0, 300.0])
    assert (other.model, other.outputs, other.numbers) == ("other", [40.0, 60.0], ([20.0, 30.0], [1.0, 0.5]))
    assert own.flags == (
        "@1-2 override:fallback:out_of_range:a",
        f"@1-2 answered_by:other:{other.decision_id}",
    )
    assert (other.flags, other.variant) == ((f"answers_for:m:{own.decision_id}",), Variant.CHAMPION)
    assert other.decision_id != own.decision_id == response.headers["fleetward-decision-id"]
    assert (own.caller, own.artifact) != (other.caller, other.artifact)
    assert own.caller == other.caller


def test_a_request_sent_again_is_the_same_decision_of_its_fallback(client: Client, kept: Kept, ruled: Ruled) -> None:
    ruled.follow({**OUT, "then": {"fallback": "other"}}, {**MISSING, "then": {"fallback": "other"}})
    ruled.follow(model="other", factor=2)
    headers = {"idempotency-key": new_id()}
    for _ in range(2):
        body = {"instances": [[20.0, 1.0], [1.0, 1.0], [3.0, None]]}
        answer = client.send("POST", "/v1/models/m:predict", json=body, headers=headers)
        assert answer.json() == {"predictions": [40.0, 10.0, 6.0]}
    own, other, again, other_again = kept.decisions
    assert own.decision_id == again.decision_id == headers["idempotency-key"]
    assert other.decision_id == other_again.decision_id != own.decision_id
    assert other.outputs == [40.0, 6.0]
    assert (UUID(other.decision_id).version, UUID(other.decision_id).int >> 80) == (7, UUID(own.decision_id).int >> 80)
    assert UUID(beside_id(str(uuid4()), "other")).version == 5


def test_a_fallbacks_own_rules_hold_for_it(client: Client, kept: Kept, ruled: Ruled) -> None:
    ruled.follow({**OUT, "then": {"fallback": "other"}})
    ruled.follow({**MISSING, "then": "refuse"}, model="other", factor=2)
    assert ask(client, [20.0, 1.0]).json() == {"predictions": [40.0]}
    response = ask(client, [1.0, None], [20.0, None])
    assert (response.status_code, response.json()["where"]) == (422, "input 'b'")
    own, other = kept.decisions[-2:]
    assert own.flags[-1] == other.flags[-1] == "refused"
    assert "missing" in other.flags[-2]


def test_a_fallback_that_cannot_answer_is_503_and_says_why(client: Client, kept: Kept, ruled: Ruled) -> None:
    def error() -> str:
        response = ask(client, [20.0, 1.0])
        assert response.status_code == 503
        return str(response.json()["error"])

    ruled.follow({**OUT, "then": {"fallback": "nobody"}})
    assert error().endswith("a fallback is not to be had in its pool: no model is named 'nobody'")
    ruled.follow({**OUT, "then": {"fallback": "off"}})
    assert error().endswith("a fallback is not to be had in its pool: model 'off' cannot be served: it is suspended")
    ruled.follow({**OUT, "then": {"fallback": "mixed"}})
    assert "its fallback 'mixed' takes 'dest' (text), which requests to it lack" in error()
    ruled.follow({**OUT, "then": {"fallback": "other"}})
    ruled.follow({**OUT, "then": {"fallback": "m"}}, model="other")
    assert error().endswith("its fallbacks lead in a circle: m -> other -> m")
    assert kept.decisions == []


def test_a_fallback_out_of_memory_is_loaded_and_asked(client: Client, kept: Kept, ruled: Ruled, pool: Pool) -> None:
    ruled.follow({**OUT, "then": {"fallback": "other"}})
    ruled.follow(model="other", factor=2)
    pool.memory.drop(pool.offered("other", 1).key)
    assert ask(client, [20.0, 1.0]).json() == {"predictions": [40.0]}
    assert [decision.model for decision in kept.decisions] == ["m", "other"]


def test_a_fallback_whose_grant_has_ended_answers_nothing(client: Client, ruled: Ruled, shop: Shop) -> None:
    ruled.follow({**OUT, "then": {"fallback": "other"}})
    other = ruled.servable(1, 2, "other")
    grant = other.signed.grant.model_copy(update={"valid_until": shop.now})
    signed = other.signed.model_copy(update={"grant": grant})
    ruled.pool.apply(routes(Route(model="other", champion=other.model_copy(update={"signed": signed}))))
    response = ask(client, [20.0, 1.0])
    assert (response.status_code, "the grant of version 1 has ended" in response.json()["error"]) == (503, True)


# --- which rule decides ----------------------------------------------------------------------------


def test_the_strictest_rule_decides_and_all_that_fired_are_recorded(client: Client, kept: Kept, ruled: Ruled) -> None:
    ruled.follow({**OUT, "then": "flag"}, {**MISSING, "then": {"value": 1}}, {**OUT, "then": {"value": 2}})
    assert ask(client, [20.0, None]).json() == {"predictions": [1.0]}
    [decision] = kept.decisions
    assert [flag for flag in decision.flags if flag.startswith("override")] == [
        "override:flag:out_of_range:a",
        "override:value:missing:b",
        "override:value:out_of_range:a",
    ]
    assert decision.flags[-1] == "answered:1.0"


# --- versions and routes ---------------------------------------------------------------------------


def test_the_other_half_of_a_pair_is_recorded_without_overrides(
    client: Client, kept: Kept, ruled: Ruled, pool: Pool
) -> None:
    rules = RULES.validate_python([{**OUT, "then": "refuse"}])
    shadowed = route(ruled.servable(1, 10), ruled.servable(2, 20), Stage.SHADOW).model_copy(update={"overrides": rules})
    pool.apply(routes(shadowed))
    assert ask(client, [20.0, 1.0]).status_code == 422
    assert [(each.version, each.variant, bool(each.flags)) for each in kept.decisions] == [
        (1, Variant.CHAMPION, True),
        (2, Variant.SHADOW, False),
    ]


@pytest.mark.parametrize(
    ("baseline", "reason"),
    [
        ({"features": []}, "needs what training saw, which this version's package does not say"),
        ({"seen": {"numbers": {}}}, "does not say what training saw"),
    ],
)
def test_a_version_whose_rules_cannot_be_tried_replaces_nothing(
    client: Client, ruled: Ruled, shop: Shop, baseline: dict[str, Any], reason: str
) -> None:
    rules = RULES.validate_python([{**OUT, "then": "flag"}])
    unknown = ruled.packaged(shop.servable(2, 20), baseline)
    ruled.pool.apply(routes(Route(model="m", champion=unknown, overrides=rules)))
    assert reason in shop.refused[-1].reason
    assert ask(client, [1.0, 1.0]).json() == {"predictions": [10.0]}


def test_a_baseline_that_was_changed_is_not_believed(client: Client, ruled: Ruled, shop: Shop) -> None:
    servable = ruled.servable(2, 20)
    package = orjson.loads(shop.content[servable.signed.grant.package])
    shop.content[package["version"]["baseline"]] = b'{"seen":{}}'
    rules = RULES.validate_python([{**OUT, "then": "flag"}])
    ruled.pool.apply(routes(Route(model="m", champion=servable, overrides=rules)))
    assert "DigestMismatch" in shop.refused[-1].reason


def test_rules_that_look_at_no_training_need_no_package(client: Client, ruled: Ruled, shop: Shop) -> None:
    rules = RULES.validate_python([{**MISSING, "then": {"value": 3}}])
    ruled.pool.apply(routes(Route(model="m", champion=shop.servable(1, 10), overrides=rules)))
    assert ask(client, [1.0, None]).json() == {"predictions": [3.0]}


# --- every protocol tells it -----------------------------------------------------------------------


def test_infer_tells_it_in_the_answers_parameters_and_arrow_in_its_metadata(client: Client, ruled: Ruled) -> None:
    ruled.follow({**OUT, "then": "flag"})
    row = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [20.0, 1.0]}
    response = client.infer(inputs=[row])
    said = response.headers["fleetward-override"]
    assert response.json()["parameters"]["override"] == said == 'out_of_range;feature="a";then=flag'
    accept = {"accept": "application/vnd.apache.arrow.stream"}
    stream = client.infer(inputs=[row], headers=accept)
    metadata = pa.ipc.open_stream(stream.content).schema.metadata
    assert metadata[b"override"].decode() == stream.headers["fleetward-override"] == said


def test_mlflow_tells_it_in_the_header_and_refuses_alike(client: Client, ruled: Ruled) -> None:
    ruled.follow({**OUT, "then": "flag"}, {**MISSING, "then": "refuse"})
    path, rows = "/models/m/invocations", [[20.0, 1.0], [20.0, None]]
    answers = [client.send("POST", path, json={"dataframe_split": {"data": [row]}}) for row in rows]
    assert [answer.status_code for answer in answers] == [200, 422]
    assert answers[0].headers["fleetward-override"] == 'out_of_range;feature="a";then=flag'


@pytest.fixture
def call(pool: Pool, kept: Kept, shop: Shop) -> Callable[..., Any]:
    async def nothing() -> None:
        """Nothing to close."""

    face = GrpcFace(Service(pool, kept, lambda: shop.now, lambda: True, "0.1.0"), nothing)
    return asking(face)


def test_grpc_tells_it_in_parameters_and_metadata_and_refuses_with_its_words(
    call: Callable[..., Any], kept: Kept, ruled: Ruled
) -> None:
    def infer(a: float, b: float) -> Any:
        request = service_pb2.ModelInferRequest(model_name="m")
        request.inputs.add(name="x", datatype="FP64", shape=[1, 2])
        request.raw_input_contents.append(np.array([a, b]).tobytes())
        return call("ModelInfer", request.SerializeToString())

    ruled.follow({**OUT, "then": "flag"}, {**MISSING, "then": "refuse"})
    flagged = infer(20.0, 1.0)
    response = service_pb2.ModelInferResponse.FromString(flagged.content)
    said = dict(flagged.metadata)["fleetward-override"]
    assert response.parameters["override"].string_param == said == 'out_of_range;feature="a";then=flag'
    refused = infer(1.0, np.nan)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.details == "input 'b': got nothing; expected a value"
    assert dict(refused.metadata)["fleetward-decision-id"] == kept.decisions[-1].decision_id
    assert kept.decisions[-1].flags[-1] == "refused"
    assert "fleetward-override" not in dict(infer(1.0, 1.0).metadata)


# --- the header ------------------------------------------------------------------------------------


def test_a_name_of_any_letters_is_quoted_as_rfc_9651_has_it() -> None:
    assert quoted('a "b" \\c') == '"a \\"b\\" \\\\c"'
    assert quoted("Größe 100%") == '%"Gr%c3%b6%c3%9fe 100%25"'


def test_a_header_stays_short_however_many_rows_and_features_there_are() -> None:
    rows = ",".join(str(row) for row in range(0, 2000, 2))
    items = tuple(f'missing;feature="{"f" * 100}{at}";then=flag;rows="{rows}"' for at in range(40))
    short = header(Overridden(items, []))
    assert 1000 < len(short) <= LONGEST_HEADER
    assert re.fullmatch(rb'(missing;feature="f{100}\d+";then=flag(, )?)+', short)
    assert header(Overridden(items[:1], [])) == items[0].partition(";rows")[0].encode()

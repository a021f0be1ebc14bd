"""A fallback that could never answer is refused with the spec that names it, or with the model that closes a circle."""

from typing import Any

import pytest

from runtime.domain import events as e
from runtime.domain.errors import Refused
from runtime.domain.routes import routes_after
from runtime.domain.spec import Spec
from tests.unit.domain.lives import MODEL, History, a_spec, applied, champion

REGIONAL: dict[str, Any] = {"kind": "model", "for_each": None}


def to(fallback: str, **changes: Any) -> Spec:
    return a_spec(overrides=[{"when": "missing", "then": {"fallback": fallback}}], **changes)


def single(history: History, model: str, fallback: str | None = None, **changes: Any) -> History:
    """Applies a spec of one model and declares it."""
    changes = {**REGIONAL, "name": model, **changes}
    spec = a_spec(**changes) if fallback is None else to(fallback, **changes)
    event = e.SpecApplied(name=model, digest=spec.digest, spec=spec.as_document())
    return history.after(event, e.ModelDeclared(model=model, spec=model, partition={}))


def test_a_fleet_may_fall_back_on_a_model_declared_before_or_after_it() -> None:
    single(single(History(), "regional"), "national", "regional")
    single(single(History(), "national", "regional"), "regional")
    single(History(), "regional").after(applied(to("regional")))


def test_a_circle_is_refused_where_it_closes_and_leaves_no_trace() -> None:
    history = single(single(History(), "a", "b"), "b", "c")
    with pytest.raises(Refused, match="spec c refused: its fallbacks lead in a circle: c -> a -> b -> c"):
        single(history, "c", "a")
    assert "c" not in history.state.models
    single(history, "c")
    with pytest.raises(Refused, match="circle: c -> b -> c"):
        single(history, "c", "b")
    assert history.state.spec("c").overrides is None


def test_a_fleet_does_not_fall_back_on_itself() -> None:
    with pytest.raises(Refused, match=f"circle: flights -> {MODEL}"):
        History.of(spec=to(MODEL))
    with pytest.raises(Refused, match=f"circle: flights -> {MODEL}"):
        History.of().after(applied(to(MODEL)))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"serving": {"pool": "other"}}, "its fallback regional is served in pool other, not in default"),
        (
            {"data": {"source": "data:load", "time": "t", "target": "y", "features": ["hour", "rain"]}},
            "its fallback regional takes rain, which requests to it lack",
        ),
    ],
)
def test_a_fallback_that_cannot_answer_is_refused(changes: dict[str, Any], reason: str) -> None:
    history = single(History(), "regional", **changes)
    with pytest.raises(Refused, match=reason):
        history.after(applied(to("regional")))


def test_changed_overrides_reach_replicas_with_the_spec_that_brings_them() -> None:
    history = History.of(*champion())
    size = history.state.size
    history.after(applied(to("regional")))
    (found,) = routes_after(history.state, "default", size, flush=0).routes
    assert [rule.when for rule in found.overrides] == ["missing"]
    assert found.model_validate_json(found.model_dump_json(by_alias=True)) == found

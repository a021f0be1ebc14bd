import pytest

from runtime.serving.endpoints import ENDPOINTS
from runtime.serving.router import Action, Endpoint, NothingThere, Router

ROUTER = Router(ENDPOINTS)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_every_endpoint_is_found_by_its_own_path(endpoint: Endpoint) -> None:
    values = {name: f"a-{name}.1" for name in endpoint.parameters}
    found = ROUTER.find(endpoint.method, endpoint.path.format(**values))
    assert (found.endpoint, found.values) == (endpoint, values)


def test_a_verb_follows_the_last_colon_and_head_is_answered_as_get() -> None:
    assert ROUTER.find("POST", "/v1/models/a:b:predict").values == {"model": "a:b"}
    assert ROUTER.find("HEAD", "/v2/health/live").endpoint.name == "server_live"
    assert ROUTER.find("GET", "v2/").endpoint.name == "server_metadata"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/", ()),
        ("GET", "/v3", ()),
        ("POST", "/v1/models/m:train", ()),
        ("GET", "/v2/models/m/infer/more", ()),
        ("PUT", "/v2/models/m/infer", ("POST",)),
        ("GET", "/v1/models/m:predict", ("POST",)),
        ("DELETE", "/v2/logging", ("GET", "POST")),
    ],
)
def test_what_is_not_there_says_which_methods_are(method: str, path: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(NothingThere) as caught:
        ROUTER.find(method, path)
    assert caught.value.allowed == allowed


def test_what_a_caller_may_do_stands_at_each_endpoint() -> None:
    by_action = {action: {each.name for each in ENDPOINTS if each.action is action} for action in Action}
    assert by_action[Action.PREDICT] == {
        "infer",
        "explain",
        "kserve_predict",
        "kserve_explain",
        "mlflow_invocations",
    }
    assert by_action[Action.REPORT] == {"outcomes"}
    assert "model_metadata" not in by_action[Action.OPEN]

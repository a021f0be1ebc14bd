"""A vendor's endpoint is asked within limits, and what goes wrong there is told and not passed on."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from runtime.domain.training import Remote
from runtime.flavors import EndpointFailed, Waiting, dump
from runtime.flavors.addresses import AddressRefused, PublicResolver, check_address
from runtime.flavors.breaker import CircuitBreaker
from runtime.flavors.remote import RemotePredictor
from tests.unit.flavors.boosters import SCHEMA
from tests.unit.flavors.specimens import Vendor, asked, part, vendor

ROW = part(asked(), 0, 3)
Fault = Callable[[Vendor], None]


@pytest.fixture
def server() -> Iterator[tuple[type[Vendor], str]]:
    with vendor() as given:
        yield given


def predictor(url: str, clock: Callable[[], float] = lambda: 0.0, **changes: Any) -> RemotePredictor:
    given = {"url": url, "private_networks": True, "timeout": "10s", "backoff": "0.01s"}
    return RemotePredictor(Remote.model_validate(given | changes), SCHEMA, clock)


def status(code: int) -> Fault:
    return lambda handler: handler.reply(code, {"error": "no"})


def hang_up(handler: Vendor) -> None:
    handler.close_connection = True


def test_it_sends_the_open_inference_protocol_with_null_for_what_is_missing(server: tuple[type[Vendor], str]) -> None:
    handler, url = server
    columns = {"hour": np.array([9.0, np.nan]), "distance": np.array([800.0, 80.0]), "dest": np.array(["LAX", None])}
    assert predictor(url).predict(columns).tolist() == [120.0, 30.0]
    assert handler.seen[0]["body"]["inputs"] == [
        {"name": "hour", "shape": [2], "datatype": "FP64", "data": [9.0, None]},
        {"name": "distance", "shape": [2], "datatype": "FP64", "data": [800.0, 80.0]},
        {"name": "dest", "shape": [2], "datatype": "BYTES", "data": ["LAX", None]},
    ]


def test_it_speaks_mlflow(server: tuple[type[Vendor], str]) -> None:
    handler, url = server
    handler.faults.append(lambda each: each.reply(200, {"predictions": [1, 2.5, 3]}))
    assert predictor(url, speaks="mlflow").predict(ROW).tolist() == [1.0, 2.5, 3.0]
    assert handler.seen[0]["body"]["dataframe_split"]["columns"] == ["hour", "distance", "dest"]


@pytest.mark.parametrize("fault", [status(500), status(503), status(429), hang_up], ids=["500", "503", "429", "cut"])
def test_what_may_pass_is_tried_again(server: tuple[type[Vendor], str], fault: Fault) -> None:
    handler, url = server
    handler.faults += [fault, fault]
    assert len(predictor(url).predict(ROW)) == 3
    assert len(handler.seen) == 3


@pytest.mark.parametrize("code", [400, 401, 404, 422, 301])
def test_what_will_not_pass_is_not_tried_again(server: tuple[type[Vendor], str], code: int) -> None:
    handler, url = server
    handler.faults.append(status(code))
    with pytest.raises(EndpointFailed, match=rf"endpoint 127.0.0.1: it answered {code}$"):
        predictor(url).predict(ROW)
    assert len(handler.seen) == 1


def test_after_the_last_try_the_reason_is_told(server: tuple[type[Vendor], str]) -> None:
    handler, url = server
    handler.faults += [status(503)] * 3
    with pytest.raises(EndpointFailed, match="it answered 503, at each of 3 tries"):
        predictor(url).predict(ROW)


def test_a_redirect_is_not_followed(server: tuple[type[Vendor], str]) -> None:
    handler, url = server
    handler.faults.append(lambda each: each.reply(307, {}, Location=url))
    with pytest.raises(EndpointFailed, match="it answered 307"):
        predictor(url).predict(ROW)


def test_a_slow_answer_ends_at_the_timeout(server: tuple[type[Vendor], str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(EndpointFailed, match=r"no answer within 0\.05 s, at each of 2 tries"):
            predictor(url, timeout="0.05s", retries=1).predict(ROW)


def test_nobody_listening_is_told_without_the_address(server: tuple[type[Vendor], str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(EndpointFailed, match="no connection") as failed:
        predictor(f"http://127.0.0.1:{port}/secret-path", retries=0).predict(ROW)
    assert "secret-path" not in str(failed.value)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"outputs": []}, "its answer has no output None"),
        ({"predictions": [1]}, "its answer cannot be read: KeyError"),
        ({"outputs": [{"name": "y", "shape": [2], "data": [1, 2]}]}, r"has shape \[2\], where 3 rows were asked"),
        ({"outputs": [{"name": "y", "shape": [3], "data": ["a", "b", "c"]}]}, "cannot be read: ValueError"),
        ([1], "cannot be read: TypeError"),
    ],
)
def test_an_answer_not_as_agreed_is_named(server: tuple[type[Vendor], str], document: Any, reason: str) -> None:
    handler, url = server
    handler.faults.append(lambda each: each.reply(200, document))
    with pytest.raises(EndpointFailed, match=reason):
        predictor(url).predict(ROW)


def test_a_credential_is_read_from_the_environment_and_stands_in_no_artifact(
    server: tuple[type[Vendor], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, url = server
    made = predictor(url, credential="VENDOR_KEY")
    with pytest.raises(EndpointFailed, match="its credential is not set: environment variable VENDOR_KEY"):
        made.predict(ROW)
    monkeypatch.setenv("VENDOR_KEY", "s3cret")
    made.predict(ROW)
    assert handler.seen[0]["headers"]["Authorization"] == "Bearer s3cret"
    assert b"s3cret" not in dump(made)


def test_an_event_loop_is_not_blocked_while_it_waits(server: tuple[type[Vendor], str]) -> None:
    _, url = server
    made = predictor(url)
    assert isinstance(made, Waiting)

    async def together() -> list[Any]:
        return await asyncio.gather(*(made.ask(ROW) for _ in range(20)))

    assert [each.tolist() for each in asyncio.run(together())] == [made.predict(ROW).tolist()] * 20


def test_what_keeps_failing_is_left_alone_and_then_asked_once(server: tuple[type[Vendor], str]) -> None:
    handler, url = server
    now = [0.0]
    made = predictor(url, lambda: now[0], retries=0, breaker={"failures": 2, "rest": "30s"})
    handler.faults += [status(500)] * 3
    for _ in range(2):
        with pytest.raises(EndpointFailed, match="it answered 500"):
            made.predict(ROW)
    with pytest.raises(EndpointFailed, match=r"it failed 2 times in a row and is left alone for 30\.0 s more"):
        made.predict(ROW)
    assert len(handler.seen) == 2
    now[0] = 31.0
    with pytest.raises(EndpointFailed, match="it answered 500"):
        made.predict(ROW)
    with pytest.raises(EndpointFailed, match=r"left alone for 30\.0 s more"):
        made.predict(ROW)
    now[0] = 62.0
    assert len(made.predict(ROW)) == 3
    assert len(made.predict(ROW)) == 3


def test_half_open_lets_one_through() -> None:
    now = [0.0]
    breaker = CircuitBreaker(Remote.model_validate({"url": "https://a.example/"}).breaker, lambda: now[0])
    for _ in range(5):
        breaker.failed()
    now[0] = 30.0
    assert [bool(breaker.refusal()) for _ in range(3)] == [False, True, True]


# --- private networks ------------------------------------------------------------------------------


PRIVATE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),  # noqa: S104
    *("::1", "[::1]", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::"),
)


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused, match=r"is in a private network; remote\.private_networks allows it"):
        check_address(host)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700:4700::1111", "vendor.example"])
def test_a_public_address_and_a_name_pass(host: str) -> None:
    check_address(host)


def test_a_name_that_leads_into_a_private_network_is_refused() -> None:
    async def look_up() -> None:
        resolver = PublicResolver()
        try:
            await resolver.resolve("localhost", 80)
        finally:
            await resolver.close()

    with pytest.raises(AddressRefused):
        asyncio.run(look_up())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_endpoint_in_a_private_network_is_not_asked(server: tuple[type[Vendor], str], host: str) -> None:
    handler, url = server
    with pytest.raises(EndpointFailed, match="is in a private network"):
        predictor(url.replace("127.0.0.1", host), private_networks=False, retries=0).predict(ROW)
    assert handler.seen == []

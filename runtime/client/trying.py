"""When a request is sent again, and after how long: the same rules for both clients.

    no connection, or cut off       again: a GET changes nothing, and a POST carries a key
    429                             again after what ``Retry-After`` says
    502, 503, 504                   again; a governor that restarts is away for seconds
    anything else                   an answer

Waits double from ``FIRST_SECONDS`` up to ``LONGEST_SECONDS``, each drawn from its upper half, so that clients that
were cut off together do not come back together.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from runtime.client.calls import Call, T
from runtime.client.errors import Refusal, Unreachable, refusal_of

AGAIN = frozenset({429, 502, 503, 504})
FIRST_SECONDS = 0.25
LONGEST_SECONDS = 8.0
TRIES = 5


@dataclass(frozen=True, slots=True)
class Trying:
    """How often, at most; ``draw`` gives numbers from 0 to 1."""

    tries: int = TRIES
    draw: Any = random.random

    def wait_seconds(self, tried: int, answer: httpx.Response | None) -> float | None:
        """How long to wait after try ``tried`` (from 1); None when it was the last one, or its answer stands."""
        if tried >= self.tries or (answer is not None and answer.status_code not in AGAIN):
            return None
        said = None if answer is None else _retry_after(answer)
        grown: float = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (tried - 1)) * (0.5 + self.draw() / 2)
        return grown if said is None else max(said, grown)


def headers_of(token: str | None, call: Call[Any]) -> Mapping[str, str]:
    """What is sent beside."""
    proof = {} if token is None else {"authorization": f"Bearer {token}"}
    kind = {} if call.body is None else {"content-type": "application/json"}
    return {**proof, **kind, "accept": "application/json", **call.headers}


def content_of(call: Call[Any]) -> bytes | None:
    """The body's bytes."""
    return None if call.body is None else orjson.dumps(call.body)


def read(call: Call[T], answer: httpx.Response) -> T:
    """What was asked for. Raises a ``Refusal``."""
    if answer.is_success:
        return call.read(orjson.loads(answer.content))
    raise refusal_of(answer.status_code, document_of(answer), answer.text)


def document_of(answer: httpx.Response) -> Any:
    """The JSON of an answer, None where it is none."""
    try:
        return orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None


def stream_refusal(trying: Trying, error: httpx.TransportError | Refusal, tried: int, url: str) -> float:
    """How long to wait before a stream is asked for again. Raises where that does not help, or did not often enough."""
    if isinstance(error, Refusal):
        if error.answered not in AGAIN or tried >= trying.tries:
            raise error
        return trying.wait_seconds(tried, None) or LONGEST_SECONDS
    wait = trying.wait_seconds(tried, None)
    if wait is None:
        raise unreachable(url, error, tried) from error
    return wait


def unreachable(url: str, error: httpx.TransportError | None, tries: int) -> Unreachable:
    """The last of the tries was for nothing."""
    return Unreachable(url, str(error) or type(error).__name__, tries)


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return min(float(text), LONGEST_SECONDS) if text.isascii() and text.isdigit() else None

"""What a handler gives back, and the reply to each kind of failure."""

from __future__ import annotations

import logging
from typing import NamedTuple

from runtime.domain.errors import FleetwardError
from runtime.serving.live import Answer
from runtime.serving.overriding import header
from runtime.serving.protocols.problem import MEDIA_TYPE, problem, problem_of
from runtime.serving.protocols.request import JSON, Rendered
from runtime.serving.router import NothingThere

_log = logging.getLogger(__name__)
_PROBLEM = MEDIA_TYPE.encode()
_ACCEPTED = ((b"accept-encoding", b"gzip, deflate"),)


class Reply(NamedTuple):
    """What is sent, and what is done after it was."""

    body: bytes
    status: int = 200
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    answer: Answer | None = None


def refusal(status: int, detail: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    """A problem document of our own words."""
    return Reply(problem(status, detail), status, _PROBLEM, headers)


def answered(rendered: Rendered, answer: Answer) -> Reply:
    """The answer, or why its model's overrides let none go out; either way a decision that was kept."""
    if answer.overridden is None:
        return Reply(rendered.body, 200, rendered.media_type, rendered.headers, answer)
    headers = (*rendered.headers, (b"fleetward-override", header(answer.overridden)))
    if answer.refusal is None:
        return Reply(rendered.body, 200, rendered.media_type, headers, answer)
    return Reply(problem_of(answer.refusal), answer.refusal.status, _PROBLEM, headers[-1:], answer)


def failure(error: Exception, where: str) -> Reply:
    """The problem document of any error; one that nobody meant is logged under ``where`` and not described."""
    if isinstance(error, FleetwardError):
        headers = _ACCEPTED if error.status == 415 else getattr(error, "headers", ())  # RFC 9110, 15.5.16
        return Reply(problem_of(error), error.status, _PROBLEM, headers)
    if isinstance(error, NothingThere):
        if error.allowed:
            return refusal(405, str(error), ((b"allow", ", ".join(error.allowed).encode()),))
        return refusal(404, str(error))
    _log.error("%s failed", where, exc_info=error)
    return refusal(500, "an error of the server; its log has it")

"""Every error as a problem document (RFC 9457), as all of Fleetward's faces tell them.

400 malformed   401 nobody proved to be anybody   403 not allowed   404 not there   409 a rule refused
412 the model has changed since   422 well-formed, but not what is taken   503 ledger or governor is away
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from runtime.domain.errors import FleetwardError, IdempotencyConflict, Refused, SchemaMismatch
from runtime.serving.protocols.problem import MEDIA_TYPE, phrase, problem, problem_of

_STATUSES = (400, 401, 403, 404, 409, 412, 413, 422, 429, 500, 503)
_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "error"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "error": {"type": "string"},
    },
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": phrase(status), "content": {MEDIA_TYPE: {"schema": _SCHEMA}}} for status in _STATUSES
}
"""What any route may be answered with instead, as its description says."""

_log = logging.getLogger(__name__)


def tell_problems(application: FastAPI) -> None:
    """Errors of this application are told so."""
    application.add_exception_handler(FleetwardError, _refused)
    application.add_exception_handler(RequestValidationError, _not_taken)
    application.add_exception_handler(HTTPException, _unanswered)
    application.add_exception_handler(Exception, _failed)


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, FleetwardError):
        raise error
    headers = {name.decode(): value.decode() for name, value in getattr(error, "headers", ())}
    if isinstance(error, IdempotencyConflict):  # of an Idempotency-Key, that is
        return Response(problem(422, str(error)), 422, headers, MEDIA_TYPE)
    if isinstance(error, Refused):  # what was refused and why, each by itself
        told = problem(error.status, str(error), what=error.what, reason=error.reason)
        return Response(told, error.status, headers, MEDIA_TYPE)
    return Response(problem_of(error), error.status, headers, MEDIA_TYPE)


async def _not_taken(request: Request, error: Exception) -> Response:
    """A value that is missing, unknown or of another form: the first of them."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()[0]
    where, *path = map(str, found["loc"])
    value = "nothing" if found["type"] == "missing" else repr(found.get("input"))[:80]
    return await _refused(request, SchemaMismatch(" ".join([where, ".".join(path)]).strip(), value, found["msg"]))


async def _unanswered(request: Request, error: Exception) -> Response:
    """No such route (404), another method than it has (405), a body that is too large (413)."""
    if not isinstance(error, HTTPException):
        raise error
    nowhere = error.status_code in {404, 405}
    detail = f"nothing is at {request.method} {request.url.path}" if nowhere else str(error.detail)
    return Response(problem(error.status_code, detail), error.status_code, error.headers, MEDIA_TYPE)


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return Response(problem(500, "an error of the server; its log has it"), 500, media_type=MEDIA_TYPE)

"""Errors on the wire: RFC 9457 problem details, with an ``error`` text beside, which clients of the protocol read.

    {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "...", "error": "...", ...fields}

``type`` is ``about:blank``, so ``title`` is the status's phrase (RFC 9457, 4.2.1). Fields of a malformed or
mismatched request (``where``, ``found``, ``expected``) come as extension members.
"""

from __future__ import annotations

from http import HTTPStatus

import orjson

from runtime.domain.errors import FleetwardError, RequestError

MEDIA_TYPE = "application/problem+json"


def phrase(status: int) -> str:
    """The status's own words."""
    return HTTPStatus(status).phrase


def problem(status: int, detail: str, **members: str) -> bytes:
    """The document's bytes."""
    return orjson.dumps(
        {"type": "about:blank", "title": phrase(status), "status": status, "detail": detail, "error": detail, **members}
    )


def problem_of(error: FleetwardError) -> bytes:
    """The document of a deliberate error; its status is ``error.status``."""
    if isinstance(error, RequestError):
        members = {"where": error.where, "found": error.found, "expected": error.expected}
        return problem(error.status, str(error), **members, **error.members)
    return problem(error.status, str(error))

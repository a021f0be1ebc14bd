"""Names, digests and identifiers."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

import uuid_utils
from pydantic import Field, StringConstraints

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"

Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]
"""``sha256:`` and 64 hex digits."""

ModelName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""Letters, digits, ``.``, ``_`` and ``-``; no ``/``, since Triton's client does not escape it in a path."""

VersionNumber = Annotated[int, Field(ge=1)]
"""Versions of a model are numbered from 1; numbers only grow."""

# One fixed namespace, so that the same parts give the same id on every machine and after every restart.
_NAMESPACE = uuid.UUID("6f1f1a52-3c0b-5d9e-9a53-0f6e2b1c7d44")
_NAME = re.compile(NAME_PATTERN)
_TIME_AT, _VERSION_AT = 80, 76
"""Bits of a UUIDv7 below its milliseconds, and below its version (RFC 9562, 5.7)."""
_BELOW_VERSION = (1 << _VERSION_AT) - 1


def digest_of(content: bytes) -> str:
    """``sha256:<hex>`` of the content."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def new_id() -> str:
    """A fresh UUIDv7 (RFC 9562): ordered by time, unique across processes."""
    return str(uuid_utils.uuid7())


def derived_id(*parts: object) -> str:
    """The same UUIDv5 for the same parts: the idempotency key of a consequence, safe to compute again."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(str(part) for part in parts)))


def time_of(name: str) -> datetime | None:
    """When a UUIDv7 was made, to the millisecond (RFC 9562, 5.7: 48 bits of it come first); of another id none."""
    try:
        parsed = uuid.UUID(name)
    except ValueError:
        return None
    return None if parsed.version != 7 else datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=parsed.int >> 80)


def beside_id(decision_id: str, *parts: object) -> str:
    """The same id each time for what is decided beside a decision, of the same time where that id has one (UUIDv7)."""
    given, derived = uuid.UUID(decision_id).int, uuid.UUID(derived_id(decision_id, *parts)).int
    if uuid.UUID(int=given).version != 7:
        return str(uuid.UUID(int=derived))
    rest = (derived & _BELOW_VERSION) | 7 << _VERSION_AT
    return str(uuid.UUID(int=given >> _TIME_AT << _TIME_AT | rest))


def is_model_name(text: str) -> bool:
    """Whether the text can name a model (see ``ModelName``)."""
    return _NAME.fullmatch(text) is not None

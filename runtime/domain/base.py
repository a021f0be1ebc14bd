"""The base of every document: frozen, closed to unknown fields, valid once built."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer

DAWN = datetime(1970, 1, 1, tzinfo=UTC)
"""Before everything."""


class Document(BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def as_document(self) -> dict[str, Any]:
        """JSON-able content, the same for the same value (see ``canonical``)."""
        return self.model_dump(mode="json", exclude_none=True)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"a time needs its zone; got {value.isoformat()} without one")
    return value.astimezone(UTC)


def rfc3339(value: datetime) -> str:
    """UTC with microseconds and ``Z``: always 27 characters, so text order is time order."""
    # orjson is some ten times faster than strftime, and a ledger's entry has several times in it.
    utc = value.astimezone(UTC)
    if type(utc) is not datetime:  # orjson takes no subclass, such as pandas' Timestamp
        utc = datetime.combine(utc.date(), utc.timetz())
    text = orjson.dumps(utc, option=orjson.OPT_UTC_Z).decode()
    return text[1:-1] if value.microsecond else f"{text[1:-2]}.000000Z"


Moment = Annotated[datetime, AfterValidator(_utc), PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""An aware datetime, kept in UTC and written as RFC 3339."""

"""``GET /v1/watch``: what happens, as it happens, in server-sent events (WHATWG HTML, 9.2).

    id: 17
    event: version_promoted
    data: {"seq": 17, "event": {...}, "sentence": "..."}

``since`` is the first entry that is told; without it the stream begins with what comes next. Whoever was cut off sends
the last id in ``Last-Event-ID``, as browsers do by themselves, and misses nothing. A comment comes when nothing does,
and at each the caller's key and roles are looked at again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from runtime.control.admission import ENTRIES
from runtime.control.asking import Asked, Control, Who
from runtime.control.views.entries import concerns, entry_document
from runtime.domain.entry import Entry
from runtime.domain.errors import FleetwardError
from runtime.ledger.errors import LedgerUnavailable
from runtime.serving.authentication.errors import OverQuota

BEAT_SECONDS = 10.0
AGAIN_MS = 1_000

router = APIRouter()

Since = Annotated[int | None, Query(ge=0, le=2**53, description="The first entry to be told of. [default: the next]")]
LastId = Annotated[str | None, Header(alias="last-event-id", pattern=r"^[0-9]{1,15}$", description="Go on after it.")]
OfModel = Annotated[str | None, Query(max_length=200, description="Only what concerns this model.")]
OfKinds = Annotated[list[str] | None, Query(description="Only these kinds.", max_length=100)]


@router.get(
    "/v1/watch",
    summary="Entries as they come",
    response_class=StreamingResponse,
    responses={200: {"description": "server-sent events", "content": {"text/event-stream": {}}}},
)
async def watch(
    request: Request,
    asked: Asked,
    who: Who,
    since: Since = None,
    last_event_id: LastId = None,
    model: OfModel = None,
    kind: OfKinds = None,
) -> StreamingResponse:
    """Auditors only, as entries are."""
    who.check(ENTRIES)
    first = since if last_event_id is None else int(last_event_id) + 1
    begin = await asked.feed.size() if first is None else first

    def is_asked(entry: Entry) -> bool:
        return (kind is None or entry.kind in kind) and (model is None or concerns(entry, model))

    asked.feed.check_room()  # refused before the answer begins
    told = _told(asked, dict(request.scope["headers"]), begin, is_asked)
    return StreamingResponse(told, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _told(
    control: Control, headers: Mapping[bytes, bytes], begin: int, is_asked: Callable[[Entry], bool]
) -> AsyncIterator[bytes]:
    """The stream; it ends when the caller may no longer see it."""
    yield b"retry: %d\n\n" % AGAIN_MS
    with control.feed.watching():
        while True:
            entries = await control.feed.after(begin, BEAT_SECONDS)
            if not await _may_still(control, headers):
                return
            for entry in filter(is_asked, entries):
                yield _event(entry)
            if entries:
                begin = entries[-1].seq + 1
            else:
                yield b": nothing new\n\n"


async def _may_still(control: Control, headers: Mapping[bytes, bytes]) -> bool:
    try:
        (await control.admission.admit(headers)).check(ENTRIES)
    except (OverQuota, LedgerUnavailable):  # neither says that they may not
        return True
    except FleetwardError:
        return False
    return True


def _event(entry: Entry) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.seq, entry.kind.encode(), orjson.dumps(entry_document(entry)))

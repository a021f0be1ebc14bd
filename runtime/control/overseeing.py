"""Routes for somebody who looks over the fleet: a line a model, one model's history, decisions and their passports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from runtime.control.admission import ENTRIES, FLEET
from runtime.control.asking import Asked, AsOf, Control, Who
from runtime.control.histories import Histories
from runtime.control.records import NotKept, Records
from runtime.control.views.findings import Asked as OnlyOf
from runtime.control.views.findings import findings
from runtime.control.views.overview import WEEKS, overview, specs_told
from runtime.control.watching import BEAT_SECONDS
from runtime.domain.errors import FleetwardError
from runtime.domain.model_state import FindingState
from runtime.serving.authentication.errors import NotAllowed, Unauthenticated

router = APIRouter()

Model = Annotated[str, Path(max_length=200, description="The model's name.")]
Decision = Annotated[str, Path(min_length=1, max_length=200, description="The id that came with the answer.")]
Answer = Annotated[int | None, Query(ge=1, description="As this version answered it, a shadow answer too.")]
GAP_SECONDS = 1.0
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Overseen:
    """What these routes work with, beside the fleet's standing."""

    records: Records
    histories: Histories


def oversee(application: FastAPI, overseen: Overseen) -> None:
    """The application answers these routes too."""
    application.state.overseen = overseen
    application.include_router(router)


def _overseen(request: Request) -> Overseen:
    overseen: Overseen = request.app.state.overseen
    return overseen


Over = Annotated[Overseen, Depends(_overseen)]


@router.get("/v1/overview", summary="Every model in a line")
def get_overview(asked: Asked, who: Who, as_of: AsOf = None) -> Response:
    """With its owner, its error, its traffic and its alarms by week; a client sees the models of its key."""
    with asked.standing.at(as_of) as state:
        items = overview(state, [name for name in state.models if who.sees(name)])
        until = max(state.ticks_until, state.watermark)
        return _json({"size": state.size, "weeks": WEEKS, "until": until, "specs": specs_told(state), "items": items})


@router.get(
    "/v1/growth",
    summary="How large the ledger is, as it grows",
    response_class=StreamingResponse,
    responses={200: {"description": "server-sent events", "content": {"text/event-stream": {}}}},
)
async def growth(
    request: Request,
    asked: Asked,
    who: Who,
    since: Annotated[int, Query(ge=0, le=2**53, description="The size that the caller knows.")],
) -> StreamingResponse:
    """Sizes and nothing else, at most one a second: for a page that wants to know when to be made again."""
    who.check(FLEET)
    asked.feed.check_room()
    told = _grown(asked, dict(request.scope["headers"]), since)
    return StreamingResponse(told, media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _grown(control: Control, headers: Mapping[bytes, bytes], size: int) -> AsyncIterator[bytes]:
    """The stream; it ends when the caller may no longer look at the fleet."""
    yield b"retry: 2000\n\n"
    with control.feed.watching():
        while True:
            entries = await control.feed.after(size, BEAT_SECONDS)
            try:
                (await control.admission.admit(headers)).check(FLEET)
            except (NotAllowed, Unauthenticated):
                return
            except FleetwardError:  # over its quota, or the ledger is away: tell it when that is over
                entries = []
            if entries:
                size = await control.feed.size()
                yield b"data: %d\n\n" % size
                await asyncio.sleep(GAP_SECONDS)
            else:
                yield b": nothing new\n\n"


@router.get("/v1/models/{model}/history", summary="What happened to one model")
def get_history(asked: Asked, over: Over, who: Who, model: Model) -> Response:
    """Its versions, rollouts, retrainings and findings, oldest first, each with the entry that tells it."""
    who.check_model(model)
    told = over.histories.of(model)
    with asked.standing.now() as state:
        found = list(findings(state, OnlyOf(model)))
        return _json({"size": state.size, "model": model, "events": told, "findings": found[::-1]})


@router.get("/v1/findings/{finding}/evidence", summary="A finding's evidence document")
def get_evidence(asked: Asked, over: Over, who: Who, finding: Annotated[str, Path(max_length=200)]) -> Response:
    """Counts of each feature in the baseline and in the window, out of the object store."""
    who.check(FLEET)
    with asked.standing.now() as state:
        found = state.finding(finding)
        digest = found.opened.evidence if isinstance(found, FindingState) else None
    if digest is None:
        raise NotKept(f"evidence of {finding}", "none was kept")
    return _json(over.records.evidence(digest))


@router.get("/v1/decisions/{decision}", summary="A recorded decision")
def get_decision(over: Over, who: Who, decision: Decision, version: Answer = None) -> Response:
    """Inputs, answer, version and flags of each row, from the sealed segment that holds them."""
    who.check(ENTRIES)
    return _json(over.records.decision(decision, version))


@router.get("/v1/decisions/{decision}/passport", summary="A decision's passport")
def get_passport(over: Over, who: Who, decision: Decision, version: Answer = None) -> Response:
    """Everything that made it right, for `fleetward verify`, offline."""
    who.check(ENTRIES)
    issued = over.records.passport(decision, version)
    name = "".join(letter for letter in decision if letter.isalnum() or letter in "-_")[:100]
    told = {"content-disposition": f'attachment; filename="passport-{name}.json"'}
    return Response(issued.content, media_type=_JSON, headers=told)


@router.get("/v1/decisions/{decision}/verification", summary="A passport, checked")
def get_verification(over: Over, who: Who, decision: Decision, version: Answer = None) -> Response:
    """What `fleetward verify` would say under the key that this ledger names itself; an outsider brings their own."""
    who.check(ENTRIES)
    issued = over.records.passport(decision, version)
    return _json({"vkey": issued.vkey, **issued.checked})


def _json(document: Any) -> Response:
    return Response(orjson.dumps(document, option=orjson.OPT_UTC_Z), media_type=_JSON)

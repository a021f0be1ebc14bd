"""Routes that want something changed: one for each line of ``commands``.

    who asks ─> body ─> seen before? ─> the event it wants ─> the governor, as its caller, with their credential
                            └─> the same answer                └─> {"entry": ..., "sentence": ...}, or why not

The answer comes when the entry is durable, and whoever asks next is told of it. ``ETag`` is the model's new revision.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Response
from starlette.concurrency import run_in_threadpool

from runtime.console.sentences import sentence
from runtime.control.admission import Caller
from runtime.control.asking import Asked, Control, Who
from runtime.control.commands import COMMANDS, PLACES
from runtime.control.repeats import conflict, event_id, fingerprint
from runtime.control.standing import Standing
from runtime.control.wanted import Command, Given, Wanted
from runtime.domain.base import Document
from runtime.domain.entry import Draft, Entry
from runtime.domain.errors import FleetwardError, RequestError
from runtime.domain.ids import new_id

REPLAYED = "idempotent-replayed"

Key = Annotated[
    str | None,
    Header(alias="idempotency-key", pattern=r"^[\x21-\x7e]{1,128}$", description="Makes it safe to send again."),
]
Match = Annotated[
    str | None,
    Header(alias="if-match", max_length=40, description="The model's ETag; refused (412) if it has changed since."),
]

_PLACE = re.compile(r"{(\w+)}")
_REVISION = re.compile(r'"([0-9]{1,18})"')


class Recorded(Document):
    """What became of a command. ``entry`` is null where everything was so already."""

    entry: int | None
    event_id: str | None
    sentence: str
    key: str | None = None
    """Of a new API key: itself. It is shown here and nowhere else."""
    token: str | None = None
    spec: str | None = None
    digest: str | None = None
    revision: int | None = None
    """Of the model, after it: what ``If-Match`` takes next."""
    recorded: dict[str, Any] | None = None
    """The entry itself."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A command on its way."""

    command: Command
    given: Given
    who: Caller
    key: str | None
    revision: int | None


def router() -> APIRouter:
    """A POST route for each command."""
    made = APIRouter()
    for command in COMMANDS:
        made.add_api_route(
            command.path,
            _endpoint(command),
            methods=["POST"],
            name=command.name,
            operation_id=command.name,
            summary=command.summary,
            description=inspect.cleandoc(command.body.__doc__ or ""),
            response_model=Recorded,
        )
    return made


def _endpoint(command: Command) -> Callable[..., Awaitable[Response]]:
    """Its parameters are what FastAPI reads of the request; those of the path are the template's."""
    places = _PLACE.findall(command.path)

    async def endpoint(**got: Any) -> Response:
        control: Control = got["asked"]
        at = {name: got[name] for name in places}
        given = Given(at, got["body"], control.standing, control.acting)
        call = _Call(command, given, got["who"], got["key"], _revision(got["match"]))
        return await _carried_out(call, control)

    required = [("asked", Asked), ("who", Who), *((name, PLACES[name]) for name in places), ("body", command.body)]
    named = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, named, annotation=kind) for name, kind in required]
    parameters += [
        inspect.Parameter(name, named, annotation=kind, default=None) for name, kind in (("key", Key), ("match", Match))
    ]
    endpoint.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return endpoint


async def _carried_out(call: _Call, control: Control) -> Response:
    if call.key is None:
        return _answer(await _recorded(call, new_id()), replayed=False)
    principal, body = call.who.principal, call.given.body.model_dump(mode="json", exclude_unset=True)
    path = call.command.path.format(**call.given.places)
    async with control.repeats.once(principal, call.key, fingerprint(path, body)) as slot:
        replayed = slot.answer is not None
        if slot.answer is None:
            known = event_id(principal, call.key, call.command.name)
            before = await run_in_threadpool(_before, call, control.standing)
            replayed = before is not None
            slot.answer = await _recorded(call, known) if before is None else await _again(call, before)
        return _answer(slot.answer, replayed=replayed)


async def _recorded(call: _Call, known: str) -> dict[str, Any]:
    """What is answered once the governor has recorded it. Raises what it refused it with."""
    wanted = await run_in_threadpool(call.command.wants, call.given)
    if wanted.event is None:
        return {"entry": None, "event_id": None, "sentence": "nothing changed: it is so already", **wanted.shown}
    draft = Draft(wanted.event, call.who.principal, known, revision=call.revision)
    (answer,) = await call.given.acting.commands([draft], call.who.credential)
    if isinstance(answer, FleetwardError):
        raise answer
    return await run_in_threadpool(_told, call.given.standing, answer.seq, wanted)


def _before(call: _Call, standing: Standing) -> Entry | None:
    """What was recorded with this key by an API of before. Raises ``IdempotencyConflict`` if it was another command."""
    ids = {event_id(call.who.principal, call.key or "", command.name): command.name for command in COMMANDS}
    for found, entry in standing.log().find_all(ids).items():
        if ids[found] != call.command.name:
            raise conflict(call.key or "")
        return entry
    return None


async def _again(call: _Call, before: Entry) -> dict[str, Any]:
    """What this command was answered before this process began. Raises ``IdempotencyConflict`` if it was another."""
    if not await run_in_threadpool(call.command.same, call.given, before.event):
        raise conflict(call.key or "")
    return await run_in_threadpool(_told, call.given.standing, before.seq, Wanted(before.event))


def _told(standing: Standing, seq: int, wanted: Wanted) -> dict[str, Any]:
    (entry,) = standing.log().entries(seq, 1)
    model = getattr(entry.event, "model", None)
    with standing.now() as state:
        known = state.models.get(model or "")
        revision = None if known is None else known.seq
    told: dict[str, Any] = {
        "entry": seq,
        "event_id": entry.event_id,
        "sentence": sentence(entry),
        "recorded": entry.as_document(),
        **wanted.shown,
    }
    return told if revision is None else {**told, "revision": revision}


def _answer(told: Mapping[str, Any], *, replayed: bool) -> Response:
    headers = {REPLAYED: "true"} if replayed else {}
    if "revision" in told:
        headers["etag"] = f'"{told["revision"]}"'
    return Response(orjson.dumps(told), media_type="application/json", headers=headers)


def _revision(match: str | None) -> int | None:
    """The revision that a command is for; None for any. Raises ``RequestError``."""
    if match is None or match == "*":
        return None
    found = _REVISION.fullmatch(match)
    if found is None:
        raise RequestError("header if-match", repr(match), 'the ETag of the model, such as "17", or *')
    return int(found[1])

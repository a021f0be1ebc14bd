"""The whole state at once, for a command line that then answers as if it had folded the ledger itself.

It is the same lines as a snapshot's (``runtime.governance.images``), of this code alone: the header says which. Secrets
of API keys are left out, even as digests, and keys and roles altogether for whoever may not see them.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

from fastapi import APIRouter, Response
from starlette.responses import JSONResponse

from runtime.control.admission import ACCESS, FLEET
from runtime.control.asking import Asked, Who
from runtime.domain.state import FleetState, TokenState
from runtime.governance.images import EMPTY, FORMAT, Image, changes
from runtime.ledger.errors import NothingPublished
from runtime.ledger.proofs import Proofs

FORMAT_HEADER = "fleetward-format"
MEDIA_TYPE = "application/vnd.fleetward.state"
NO_SECRET = "hmac-sha256:" + "0" * 64
_LEVEL = 1  # as snapshots: a tenth of the size already

router = APIRouter()


@router.get(
    "/v1/state",
    summary="The whole state",
    response_class=Response,
    responses={200: {"description": "lines of an image", "content": {MEDIA_TYPE: {}}}},
)
def get_state(asked: Asked, who: Who) -> Response:
    """For clients of the same version: `fleetward-format` names the code that it can be read with."""
    who.check(FLEET)
    with asked.standing.now() as state:
        image = Image.of(_shown(state, access=bool(who.roles & ACCESS)))
    content = zlib.compress(b"\n".join(changes(EMPTY, image)), _LEVEL)
    headers = {FORMAT_HEADER: FORMAT, "content-encoding": "deflate"}
    return Response(content, media_type=MEDIA_TYPE, headers=headers)


@router.get("/v1/checkpoint", summary="The newest checkpoint, with its time")
def get_checkpoint(asked: Asked, who: Who) -> Response:
    """The same note as at `/v1/ledger/checkpoint`."""
    who.check(FLEET)
    published = Proofs(asked.standing.database()).checkpoint()
    if published is None:
        raise NothingPublished
    return JSONResponse(published.as_document())


def _shown(state: FleetState, *, access: bool) -> FleetState:
    tokens = {name: _without_secret(token) for name, token in state.tokens.items()} if access else {}
    return replace(state, tokens=tokens, roles=dict(state.roles) if access else {})


def _without_secret(token: TokenState) -> TokenState:
    return replace(token, key=token.key.model_copy(update={"secret": NO_SECRET}))

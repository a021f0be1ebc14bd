"""The control API: FastAPI, to be mounted at ``/api``. Its description is at ``v1/openapi.json``, open to all."""

from __future__ import annotations

from fastapi import Depends, FastAPI

from runtime.control import imaging, reading, watching, writing
from runtime.control.asking import Control, only_known
from runtime.control.bounded import Bounded
from runtime.control.problems import PROBLEMS, tell_problems

PREFIX = "/v1"
LARGEST_BODY = 1 << 20


def application(control: Control) -> FastAPI:
    """The routes under ``/v1``."""
    made = FastAPI(
        title="Fleetward control API",
        version="1",
        description="What is so in the fleet, and what people want changed. Each change is an entry of the ledger.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=PROBLEMS,
        dependencies=[Depends(only_known)],
    )
    made.state.control = control
    made.add_middleware(Bounded, largest_bytes=LARGEST_BODY)
    tell_problems(made)
    for router in (reading.router, imaging.router, watching.router, writing.router()):
        made.include_router(router)
    return made

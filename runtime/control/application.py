"""The control API: FastAPI, to be mounted at ``/api``. Its description is at ``v1/openapi.json``, open to all."""

from __future__ import annotations

from fastapi import FastAPI

from runtime.control import reading
from runtime.control.asking import Control
from runtime.control.problems import tell_problems

PREFIX = "/v1"


def application(control: Control) -> FastAPI:
    """The routes under ``/v1``."""
    made = FastAPI(
        title="Fleetward control API",
        version="1",
        description="What is so in the fleet, and what people want changed. Each change is an entry of the ledger.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    made.state.control = control
    tell_problems(made)
    made.include_router(reading.router)
    return made

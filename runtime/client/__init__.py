"""Fleetward from a program of somebody else's: predictions, outcomes, and the control API, over HTTP.

    with Fleetward("https://fleet.example.com", token) as fleet:
        answer = fleet.predict("flight-time-UA-EWR-IAH", [{"hour": 7.0, "seats": 140.0}])
        fleet.outcomes("flight-time-UA-EWR-IAH", answer.decision_id, [215.0])

Needs httpx and no Ray. ``AsyncFleetward`` has the same methods to be awaited. Errors are a tree (``errors``).
"""

from __future__ import annotations

from runtime.client.awaited import AsyncFleetward
from runtime.client.blocking import Fleetward
from runtime.client.errors import (
    AskedWrongly,
    ClientError,
    Failed,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RefusedByPolicy,
    RevisionChanged,
    TooOften,
    Unreachable,
)

__all__ = [
    "AskedWrongly",
    "AsyncFleetward",
    "ClientError",
    "Failed",
    "Fleetward",
    "NotAuthenticated",
    "NotFound",
    "NotPermitted",
    "RefusedByPolicy",
    "RevisionChanged",
    "TooOften",
    "Unreachable",
]

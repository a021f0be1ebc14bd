"""What the actors and applications of a Fleetward are called, so that every process finds them."""

from __future__ import annotations

from runtime.domain.pools import application_of

NAMESPACE = "fleetward"
GOVERNOR = "governor"
MONITOR = "monitor"
OPERATOR = "operator"
API = "api"
"""The Serve application of what is neither prediction nor model: the ledger, read from outside."""

RETRAIN_JOB = "jobs.retrain"
"""The module the operator runs for a retraining batch."""


def monitor_name(monitor: int) -> str:
    """The actor that is one of several monitors, from 0; the first is called as the only one is."""
    return MONITOR if monitor == 0 else f"{MONITOR}-{monitor}"


def pool_app(pool: str) -> str:
    """The Serve application that serves a pool."""
    return application_of(pool)

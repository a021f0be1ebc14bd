"""How a command ends: what its exit code says, and that a failure is one line on stderr and no traceback.

0   done
1   failed; the line says what and why
2   wrong usage (typer's own)
3   refused: a rule, a policy or a missing role said no
4   not authenticated: no credential, or one that proves nothing
5   nothing there to ask: no cluster up, no ledger, no fleet at the URL
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from jobs.ending import one_line
from runtime.domain.errors import FleetwardError, Refused, SettingsError, Unproven
from runtime.ledger.errors import LedgerUnavailable

FAILED = 1
REFUSED = 3
NOT_AUTHENTICATED = 4
NOT_REACHABLE = 5

_CLUSTER_SETTINGS = frozenset({"FLEETWARD_HOME", "cluster"})
"""The names under which ``runtime.local_cluster`` and ``actors.connect`` miss a cluster."""


class CommandFailed(FleetwardError):
    """A command cannot be done, for a reason that only the command line knows."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class NotReachable(CommandFailed):
    """No cluster or no ledger is where the settings look for it."""


@contextmanager
def reaching() -> Iterator[None]:
    """Says of what it guards that no Fleetward is up, where that is what went wrong."""
    try:
        yield
    except SettingsError as error:
        if error.name not in _CLUSTER_SETTINGS:
            raise
        where = f"{error.name}={error.value}"
        raise NotReachable(f"Fleetward is not up ({where}): expected {error.expected}") from error
    except ConnectionError as error:
        if isinstance(error, BrokenPipeError):  # the reader of our output went away
            raise
        raise NotReachable(f"the cluster does not answer: {error}") from error


class FailingGroup(TyperGroup):
    """Commands whose deliberate errors end the process with a line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command that the arguments name."""
        try:
            return super().invoke(ctx)
        except FleetwardError as error:
            typer.echo(f"fleetward: {one_line(error)}", err=True)
            raise typer.Exit(exit_code(error)) from error


def exit_code(error: FleetwardError) -> int:
    """The exit code that a failure deserves."""
    from runtime.client import errors as client  # only a failure needs to know

    if isinstance(error, NotReachable | LedgerUnavailable | client.Unreachable):
        return NOT_REACHABLE
    if isinstance(error, Unproven | client.NotAuthenticated):
        return NOT_AUTHENTICATED
    return REFUSED if isinstance(error, Refused | client.RefusedByPolicy | client.NotPermitted) else FAILED

"""The command line: ``fleetward``. It reads, records and runs; what it prints is decided in its modules.

``failing`` says how a command ends, ``reading`` and ``governed`` where it gets its answers. Nothing that takes
long to import is imported before a command needs it: help must come at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated

import typer

from jobs.cli import (
    acting,
    anchoring,
    checking,
    deciding,
    describing,
    diagnosing,
    differing,
    drifting,
    erasing,
    explaining,
    exporting,
    finding,
    getting,
    governing,
    history,
    inventory,
    keeping,
    ledger,
    notifying,
    policies,
    pools,
    reporting,
    rolling,
    running,
    showing,
    sourced,
    starting,
    tokens,
    trying,
    verifying,
    watching,
    witnessing,
)
from jobs.cli.failing import FailingGroup

_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Run": (running.up, running.down, showing.status, diagnosing.doctor, witnessing.witness, showing.version),
    "Build": (
        starting.init,
        checking.check,
        acting.apply,
        running.prepare,
        running.train,
        running.retrain,
        running.replay,
        sourced.outcomes,
    ),
    "Look": (
        getting.get,
        getting.describe,
        differing.diff,
        watching.watch,
        showing.models,
        showing.model,
        inventory.inventory,
        pools.pools,
        showing.findings,
        finding.finding,
        history.history,
        deciding.decision,
        explaining.explain,
        reporting.report,
        trying.backtest,
        drifting.drift,
        drifting.calibration,
        sourced.lookback,
        describing.card,
    ),
    "Prove": (exporting.passport, exporting.evidence, describing.bom, verifying.verify, anchoring.anchors),
    "Act": (
        acting.approve,
        acting.reject,
        governing.renew,
        governing.revoke,
        governing.break_glass,
        governing.review,
        governing.retire,
        acting.rollback,
        rolling.rollout,
        rolling.capacity,
        acting.suspend,
        acting.resume,
        pools.pool,
        finding.budget,
        keeping.hold,
        keeping.release,
        erasing.erase,
    ),
}

app = typer.Typer(
    name="fleetward",
    cls=FailingGroup,
    help="Fleetward: governs, serves, watches and proves a fleet of models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.callback()
def fleetward(
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="A fleet to reach over HTTP, without Ray. [default: FLEETWARD_URL]"),
    ] = None,
) -> None:
    """Fleetward: governs, serves, watches and proves a fleet of models."""
    if url is not None:
        os.environ["FLEETWARD_URL"] = url


for _panel, _functions in _COMMANDS.items():
    for _function in _functions:
        app.command(rich_help_panel=_panel)(_function)
app.add_typer(ledger.app, name="ledger", rich_help_panel="Look")
app.add_typer(keeping.app, name="retention", rich_help_panel="Act")
app.add_typer(policies.app, name="policy", rich_help_panel="Act")
app.add_typer(notifying.app, name="notify", rich_help_panel="Run")
app.add_typer(tokens.token_app, name="token", rich_help_panel="Admit")
app.add_typer(tokens.role_app, name="role", rich_help_panel="Admit")

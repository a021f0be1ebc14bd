"""The command line: ``fleetward``. It reads, records and runs; what it prints is decided in its modules.

``failing`` says how a command ends, ``reading`` and ``governed`` where it gets its answers. Nothing that takes
long to import is imported before a command needs it: help must come at once.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from jobs.cli import (
    acting,
    anchoring,
    checking,
    deciding,
    describing,
    erasing,
    explaining,
    diagnosing,
    drifting,
    exporting,
    finding,
    governing,
    history,
    inventory,
    keeping,
    ledger,
    pools,
    reporting,
    running,
    showing,
    tokens,
    verifying,
    witnessing,
)
    rolling,
from jobs.cli.failing import FailingGroup

    sourced,
_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Run": (running.up, running.down, showing.status, diagnosing.doctor, witnessing.witness, showing.version),
    "Build": (
        checking.check,
        acting.apply,
        running.prepare,
        running.train,
        running.retrain,
        running.replay,
        sourced.outcomes,
    ),
    "Look": (
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
        acting.suspend,
        trying.backtest,
        drifting.drift,
        drifting.calibration,
        sourced.lookback,
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
for _panel, _functions in _COMMANDS.items():
    for _function in _functions:
        app.command(rich_help_panel=_panel)(_function)
app.add_typer(ledger.app, name="ledger", rich_help_panel="Look")
app.add_typer(keeping.app, name="retention", rich_help_panel="Act")
app.add_typer(tokens.token_app, name="token", rich_help_panel="Admit")
app.add_typer(tokens.role_app, name="role", rich_help_panel="Admit")
        rolling.rollout,
        rolling.capacity,

"""``fleetward check``: a spec tried on a few of its models, before anything is applied or recorded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.arguments import moment
from jobs.cli import output
from jobs.cli.options import Format, Output

if TYPE_CHECKING:
    from runtime.domain.spec import Spec
    from runtime.pipeline.dry_run import DryRun, Tried
    from runtime.pipeline.production import Production

_SHOWN_SKIPS = 5


def check(
    spec: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The spec file.")],
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", parser=moment, metavar="TIME", help="Use data before this moment only. [default: now]"),
    ] = None,
    models: Annotated[int, typer.Option("--models", min=1, help="How many models to try.")] = 3,
    output_: Output = Format.TABLE,
    *,
    retraining: Annotated[
        bool, typer.Option("--retraining", help="Try it on the rows of challengers: retrain.source and retrain.data.")
    ] = False,
) -> None:
    """Try a spec on a few of its models: data, checks, one training each, gates. Records nothing, needs no fleet."""
    from runtime.pipeline.dry_run import dry_run
    from runtime.pipeline.search import load_checked

    loaded, until, since = load_checked(spec), as_of or datetime.now(UTC), None
    if retraining:
        since = None if loaded.retrain.data == "all" else until - loaded.retrain.data
        loaded = loaded.for_retraining
    with output.working(f"trying {loaded.name}"), _ray_for(loaded):
        run = dry_run(loaded, as_of=until, models=models, since=since, production=_production(loaded))
    if output_ is Format.JSON:
        output.as_json(_document(run))
    else:
        _show(run)
    if not run.trains:
        raise typer.Exit(1)


def _production(spec: Spec) -> Production | None:
    """Where decisions are read; nothing is opened for a spec that does not ask for them."""
    from runtime.domain.data import DecisionsSource
    from runtime.pipeline.production import Production
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    if not isinstance(spec.data.source, DecisionsSource):
        return None
    settings = Settings.from_environment()
    return Production(settings.database, ObjectStore.open(settings.store))


@contextmanager
def _ray_for(spec: Spec) -> Iterator[None]:
    """What Ray Data reads is read on the cluster that is up, else on one for the moment; the rest needs none."""
    from runtime.domain.data import is_framed
    from runtime.local_cluster import LocalCluster, join
    from runtime.settings import Settings

    home = Settings.from_environment().home
    if is_framed(spec.data.source):
        yield
    elif "RAY_ADDRESS" in os.environ or LocalCluster.load(home) is not None:
        join(home)
        yield
    else:
        with tempfile.TemporaryDirectory(prefix="fleetward-check-") as folder:
            cluster = LocalCluster.start(Path(folder), num_cpus=os.cpu_count() or 1)
            try:
                join(Path(folder))
                yield
            finally:
                _leave()
                cluster.stop()


def _leave() -> None:
    import ray

    ray.shutdown()


def _show(run: DryRun) -> None:
    inputs = ", ".join(f"{field.name} ({field.kind.value})" for field in run.schema.inputs)
    output.fields(
        [
            ("models", f"{run.models:,} with enough rows; {len(run.too_small):,} without"),
            ("inputs", inputs),
            ("output", ", ".join(field.name for field in run.schema.outputs)),
            ("training", _effort(run)),
            *_decisions(run),
            *(("left out", f"{rows:,} rows: {what}") for what, rows in run.dataset.broke.most_common()),
            *((("later", f"{run.dataset.later:,} rows are not of before --as-of"),) if run.dataset.later else ()),
            *(("skipped", f"{_name(each.partition)}: {each.reason}") for each in _skips(run)),
        ]
    )
    columns = ("model", "rows", "from", "to", "fit", "artifact", "gates", "what they say")
    output.table(columns, [_row(each) for each in run.tried], right=("rows", "artifact"), wrapped=("what they say",))


def _decisions(run: DryRun) -> Iterator[tuple[str, str]]:
    """How many recorded decisions are rows, and why others are none."""
    if (read := run.dataset.read) is not None:
        yield "decisions", f"{read.rows:,} with an outcome, of {read.entries:,} entries in the ledger"
        yield from (("left out", f"{rows:,} decisions: {what}") for what, rows in read.left_out.items())


def _skips(run: DryRun) -> tuple[Any, ...]:
    """Of those tried all, of those too small a few."""
    return (*run.dataset.skipped, *run.too_small[:_SHOWN_SKIPS])


def _name(partition: dict[str, str]) -> str:
    return "-".join(partition.values()) or "all rows"


def _effort(run: DryRun) -> str:
    fits = f"{run.fits} fits a model"
    return fits if run.core_seconds is None else f"{fits}; about {run.core_seconds:,.0f} s of one core for all models"


def _row(tried: Tried) -> tuple[object, ...]:
    start = (tried.model, tried.rows, output.day(tried.first_time), output.day(tried.last_time))
    if tried.report is None:
        return (*start, "failed", None, "", tried.failed)
    gates = tried.report.gates
    passed = sum(gate.passed for gate in gates)
    told = "; ".join(gate.reason for gate in tried.report.failures) or "all pass"
    return (*start, f"{tried.fit_seconds * 1e3:,.0f} ms", tried.artifact_bytes, f"{passed} of {len(gates)}", told)


def _document(run: DryRun) -> dict[str, Any]:
    return {
        "models": run.models,
        "too_small": [{"partition": each.partition, "reason": each.reason} for each in run.too_small],
        "skipped": [{"partition": each.partition, "reason": each.reason} for each in run.dataset.skipped],
        "left_out": dict(run.dataset.broke),
        "later": run.dataset.later,
        "decisions": None if run.dataset.read is None else run.dataset.read.as_document(),
        "schema": run.schema.as_document(),
        "fits_a_model": run.fits,
        "core_seconds": run.core_seconds,
        "tried": [_tried(each) for each in run.tried],
    }


def _tried(tried: Tried) -> dict[str, Any]:
    return {
        "model": tried.model,
        "rows": tried.rows,
        "first_time": tried.first_time.isoformat(),
        "last_time": tried.last_time.isoformat(),
        "fit_seconds": tried.fit_seconds,
        "artifact_bytes": tried.artifact_bytes,
        "failed": tried.failed,
        "report": None if tried.report is None else tried.report.as_document(),
    }

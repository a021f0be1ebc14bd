"""``fleetward drift`` and ``fleetward calibration``: what recorded rows of a time say, in a terminal.

Both read the ledger and the store alone, as ``fleetward report`` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cli import bars, output
from jobs.cli.exporting import _moment
from jobs.cli.options import Database, Format, Model, Output
from jobs.cli.reporting import _past, _Store, _Version

if TYPE_CHECKING:
    from runtime.domain.calibrated import CalibrationReport
    from runtime.domain.monitored import FeatureReport, MonitoringReport
    from runtime.monitoring.reporting import Past
    from runtime.storage.objects import ObjectStore

USUAL = timedelta(days=7)

_Since = Annotated[
    datetime | None,
    typer.Option("--since", parser=_moment, metavar="TIME", help="The first moment. [default: 7 days before the end]"),
]
_Until = Annotated[
    datetime | None,
    typer.Option(
        "--until", parser=_moment, metavar="TIME", help="The moment before which it ends. [default: the data's time]"
    ),
]
_Shown = Annotated[int, typer.Option("--shown", min=0, help="Histograms of so many features, the surest first.")]


def drift(
    name: Model,
    since: _Since = None,
    until: _Until = None,
    version: _Version = None,
    shown: _Shown = 3,
    output_: Output = Format.TABLE,
    database: Database = None,
    store: _Store = None,
) -> None:
    """Rank a model's features by how they moved against the baseline, with statistics and histograms."""
    from runtime.monitoring.reporting import report_on

    past, objects = _opened(database, store)
    first, last = _times(past, since, until)
    with output.working(f"reading what is recorded of {name}"):
        report = report_on(past, objects, name, first, last, version=version)
    if output_ is Format.JSON:
        output.as_json(_document(report))
    else:
        _show(report, shown)


def calibration(
    name: Model,
    since: _Since = None,
    until: _Until = None,
    version: _Version = None,
    output_: Output = Format.TABLE,
    database: Database = None,
    store: _Store = None,
) -> None:
    """Show whether a classifier's probabilities come to pass: its reliability curve and calibration error."""
    from runtime.monitoring.calibrated import calibration_on

    past, objects = _opened(database, store)
    first, last = _times(past, since, until)
    with output.working(f"reading what is recorded of {name}"):
        report = calibration_on(past, objects, name, first, last, version=version)
    if output_ is Format.JSON:
        output.as_json(report.as_document())
    else:
        output.lines(_calibration_lines(report))


def _opened(database: str | None, store: str | None) -> tuple[Past, ObjectStore]:
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    settings = Settings.from_environment()
    return _past(database or settings.database), ObjectStore.open(store or settings.store)


def _times(past: Past, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """The end is how far the data has come, where nobody says otherwise."""
    from runtime.domain.base import DAWN

    watermark = past.state.watermark
    last = until or (datetime.now(UTC) if watermark == DAWN else watermark)
    first = since or last - USUAL
    if not first < last:
        raise typer.BadParameter(f"{last.isoformat()} is not after --since, {first.isoformat()}", param_hint="--until")
    return first, last


def _document(report: MonitoringReport) -> dict[str, Any]:
    """The part of a monitoring report that is about features."""
    names = ("model", "version", "since", "until", "baseline_rows", "log_threshold", "features", "quality")
    document = report.as_document()
    return {**{name: document[name] for name in names}, "alarms": report.alarms, "ticks": len(report.ticks)}


def _show(report: MonitoringReport, shown: int) -> None:
    rows = (
        f"{report.quality.compared:,} rows of {report.quality.rows:,} against {report.baseline_rows:,} of the baseline"
    )
    ticks = f"{report.alarms} of {len(report.ticks)} ticks ended in an alarm"
    output.lines(
        [f"{report.model} version {report.version}, {_time(report.since)} to {_time(report.until)}", rows, ticks]
    )
    if not report.features:
        output.note("no row of this version and time is recorded: nothing to compare")
        return
    output.table(
        ("feature", "moved", "evidence", "PSI", "JS", "KS", "Wasserstein", "missing", "before", "importance"),
        (_row(each) for each in report.features),
        right=("evidence", "PSI", "JS", "KS", "Wasserstein", "missing", "before", "importance"),
        wrapped=("feature",),
    )
    for feature in report.features[:shown]:
        output.lines(["", *bars.feature_lines(_as_evidence(feature))])


def _row(feature: FeatureReport) -> tuple[object, ...]:
    return (
        feature.name,
        feature.direction and feature.direction.value,
        f"{feature.log_score:.1f}",
        f"{feature.psi:.3f}",
        f"{feature.js:.3f}",
        None if feature.ks is None else f"{feature.ks:.3f}",
        None if feature.wasserstein is None else f"{feature.wasserstein:.4g}",
        f"{feature.missing_rate:.1%}",
        f"{feature.baseline_missing_rate:.1%}",
        None if feature.importance is None else f"{feature.importance:.0%}",
    )


def _as_evidence(feature: FeatureReport) -> dict[str, Any]:
    """As a finding's evidence has it, with shares where that has counts."""
    document = feature.as_document()
    shares = document.pop("shares")
    return {
        **document,
        "feature": feature.name,
        "labels": [share["label"] for share in shares],
        "baseline": [share["baseline"] for share in shares],
        "window": [share["window"] for share in shares],
    }


def _calibration_lines(report: CalibrationReport) -> Iterator[str]:
    yield f"{report.model} version {report.version}, {_time(report.since)} to {_time(report.until)}"
    for name, calibrated in (("baseline", report.baseline), ("window", report.window)):
        if calibrated is not None:
            yield from bars.reliability_lines(name, calibrated.as_document())
    if report.baseline is None:
        yield "the package holds no counts by probability: it has no calibration"
    if report.window is None:
        yield "no outcome of a row of this time is known yet"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"

"""Runs a past through the monitor's own code, at full speed: what it would have found, and when. Records nothing.

Rows of files, of a query or of a spec's own source are compared with the baselines of the versions that serve, with
one baseline (--baseline), or with the rows before a moment (--reference-before). With --recorded it is the decisions
and outcomes of the ledger, by the settings they had or by those of a spec that is tried.

    python -m jobs.lookback flights.parquet --time scheduled --reference-before 2013-03-01
    python -m jobs.lookback --spec examples/flights/spec.yaml --since 2013-03-01
    python -m jobs.lookback --recorded --spec tried.yaml
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.looking.back import Against, Rows
    from runtime.domain.spec import Spec
    from runtime.domain.watched import Monitoring
    from runtime.monitoring.baseline import Baseline


def main(argv: Sequence[str] | None = None) -> int:
    """Prints what was found; 0 whatever it is."""
    parser = _parser()
    options = parser.parse_args(argv)
    if wrong := _misuse(options):
        parser.error(wrong)

    from runtime.domain.load import load_spec
    from runtime.local_cluster import join
    from runtime.settings import Settings

    settings = Settings.from_environment()
    join(settings.home)

    from actors.connect import connect
    from jobs.display.past import tell_records, tell_rows

    spec = None if options.spec is None else load_spec(options.spec)
    connect()
    if options.recorded:
        from jobs.looking.again import look_again

        tried = {} if spec is None else {spec.name: spec.monitor}
        document = look_again(settings, tried, None if options.model is None else frozenset([options.model]))
    else:
        from jobs.looking.back import look_back

        rows = _rows(options, spec)
        document = look_back(rows, _against(options, rows, spec))
    if options.output == "json":
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        (tell_records if options.recorded else tell_rows)(document)
    return 0


def _parser() -> argparse.ArgumentParser:
    from jobs.arguments import moment

    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="jobs.lookback", description=__doc__, formatter_class=formatter)
    parser.add_argument("data", nargs="?", metavar="FILE_OR_SQL", help="a file, a folder of Parquet files, or a query")
    parser.add_argument("--recorded", action="store_true", help="look at what the ledger records, instead of rows")
    parser.add_argument("--spec", type=Path, help="its source, its models, its settings of the monitor")
    parser.add_argument("--model", metavar="NAME", help="only this model; of a file, whose rows they are")
    parser.add_argument("--time", metavar="COLUMN", help="when a row was (default: the spec's)")
    parser.add_argument("--since", type=moment, metavar="TIME", help="rows from this moment on")
    parser.add_argument("--until", type=moment, metavar="TIME", help="rows before this moment")
    parser.add_argument(
        "--reference-before", type=moment, metavar="TIME", help="compare with the rows before this moment"
    )
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="compare with this baseline document")
    parser.add_argument("--connection", metavar="VARIABLE", help="of a query: the variable with the database's address")
    parser.add_argument("--output", choices=("table", "json"), default="table", help="lines, or one JSON document")
    return parser


_OF_ROWS = ("data", "time", "since", "until", "reference_before", "baseline", "connection")


def _misuse(options: argparse.Namespace) -> str | None:
    """What is wrong with the arguments together."""
    if options.recorded:
        given = [name for name in _OF_ROWS if getattr(options, name) is not None]
        named = ", ".join(name if name == "data" else f"--{name.replace('_', '-')}" for name in given)
        return f"--recorded looks at the ledger; it does not go with {named}" if given else None
    if options.data is None and options.spec is None:
        return "nothing to look at; expected a file, a query, --spec or --recorded"
    if options.time is None and options.spec is None:
        return "--time is needed: the column that says when a row was"
    if options.baseline is not None and options.reference_before is not None:
        return "--baseline and --reference-before are two things to compare with; expected one"
    if (options.baseline or options.reference_before or options.model or options.spec) is None:
        return "nothing to compare with; expected --reference-before, --baseline, --model or --spec"
    return None


def _rows(options: argparse.Namespace, spec: Spec | None) -> Rows:
    from jobs.handing_in import source_of
    from jobs.looking.back import Rows
    from runtime.domain.data import Source

    source: Source
    if options.data is not None:
        source = source_of(options.data, options.connection)
        name = options.model or Path(options.data).stem
    else:
        assert spec is not None  # noqa: S101 - else it is misuse
        source, name = spec.data.source, spec.name
    return Rows(
        source=source,
        time=options.time or (spec.data.time if spec is not None else ""),
        name=name,
        spec=spec,
        since=options.since or options.reference_before,
        until=options.until,
        only=options.model,
    )


def _against(options: argparse.Namespace, rows: Rows, spec: Spec | None) -> Against:
    from jobs.looking.back import Against, references_before
    from runtime.domain.watched import Monitoring
    from runtime.monitoring.past import Reference

    monitor = Monitoring() if spec is None else spec.monitor
    if options.baseline is not None:
        return Against(monitor, {"": Reference.of(_baseline(options.baseline))})
    if options.reference_before is not None:
        features = _features(monitor, spec)
        return Against(monitor, references_before(rows, options.reference_before, features))
    return _champions(options.model, spec, monitor)


def _baseline(path: Path) -> Baseline:
    """Raises ``DataError``."""
    from runtime.domain.errors import DataError
    from runtime.monitoring.baseline import Baseline
    from runtime.statistics.errors import StatisticsError

    try:
        return Baseline.from_document(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(str(path), error.strerror or "it cannot be read") from error
    except (LookupError, TypeError, ValueError, StatisticsError) as error:
        reason = f"it is no baseline document of a package ({type(error).__name__}: {error})"
        raise DataError(str(path), reason) from error


def _features(monitor: Monitoring, spec: Spec | None) -> Sequence[str] | None:
    if monitor.features != "all":
        return monitor.features
    return None if spec is None else spec.data.features


def _champions(model: str | None, spec: Spec | None, monitor: Monitoring) -> Against:
    """The baselines of the versions that serve. Raises ``UnknownModel``, and ``Refused`` where none serves."""
    from actors.connect import governor
    from actors.quiescence import ask
    from jobs.looking.back import Against
    from runtime.domain.errors import Refused, UnknownModel
    from runtime.monitoring.baseline import Baseline
    from runtime.monitoring.past import Reference
    from runtime.settings import Settings
    from runtime.storage.objects import ObjectStore

    known = ask(governor().models.remote)
    chosen = [each for each in known if each.name == model or (model is None and spec and each.spec == spec.name)]
    if model is not None and not chosen:
        raise UnknownModel(model)
    store, found = ObjectStore.open(Settings.from_environment().store), {}
    for each in chosen:
        if (version := each.serving) is not None:
            document = json.loads(store.get(version.registered.baseline))
            found[each.name] = Reference.of(Baseline.from_document(document), version.number)
    if not found:
        name = model or (spec.name if spec is not None else "")
        raise Refused(f"a look back at {name}", "no version of it serves, so there is no baseline; --reference-before?")
    if spec is None and (settings := ask(governor().specs.remote).get(chosen[0].spec)) is not None:
        monitor = settings.monitor
    return Against(monitor, found)


if __name__ == "__main__":
    from jobs.ending import run

    run(main)

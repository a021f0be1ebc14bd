"""The main job: a fleet on real flights, from data to drift-driven retraining, on a Ray cluster of its own.

Trains on January and February of 2013, serves over HTTP, and replays March to December day by day; what happens
then, Fleetward decides by itself. Ends with a table, an HTML report, the address to call, and a verified ledger.

    FLEET=24 KEEP=1 python jobs/demo.py

FLEET is a number of models or "all". With KEEP=1 the cluster stays up; otherwise everything that was started is
stopped, whatever happens. The ledger, the artifacts and the report stay in .fleetward/demo either way.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from runtime.domain.spec import Spec
    from runtime.local_cluster import LocalCluster
    from runtime.settings import Settings

SPEC = Path(__file__).parent.parent / "examples" / "flights" / "spec.yaml"
MARCH = datetime(2013, 3, 1, tzinfo=UTC)
YEAR_END = datetime(2014, 1, 1, tzinfo=UTC)
MODELS = 24


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demo. Ends with 1 if a request failed, nothing was served, or the ledger does not verify."""
    from jobs.arguments import demo_arguments

    options = demo_arguments(__doc__, MODELS).parse_args(argv)
    signal.signal(signal.SIGTERM, _stop)  # as an interrupt: the cluster is stopped on the way out

    from runtime.local_cluster import LocalCluster, join
    from runtime.settings import Settings

    home = options.home.resolve()
    if LocalCluster.load(home) is not None:
        print(f"a demo is up in {home}; stop it first: make down", file=sys.stderr)
        return 1
    shutil.rmtree(home, ignore_errors=True)
    settings = Settings.from_environment({"FLEETWARD_HOME": str(home), "FLEETWARD_PRINCIPAL": "user:demo"})
    os.environ.update(settings.as_environment())
    with _step("Ray cluster, of its own, on this machine only"):
        cluster = LocalCluster.start(home, num_cpus=os.cpu_count() or 2)
    try:
        join(home)
        return _run(settings, cluster, options.fleet, keep=options.keep)
    finally:
        if not options.keep:
            _disconnect()
            cluster.stop()
            print(f"\nThe cluster is stopped. Ledger, artifacts and report stay in {_short(home)}.")


def _run(settings: Settings, cluster: LocalCluster, count: int | None, *, keep: bool) -> int:
    from actors.connect import connect
    from actors.deploy import deploy
    from jobs.building import declare, train
    from jobs.display.left_out import tell_left_out
    from jobs.display.progress import progress
    from jobs.display.telling import Telling
    from jobs.replaying import replay
    from runtime.domain.load import load_spec

    spec = load_spec(SPEC)
    connect()
    with _step("governor, monitor, operator and model servers"):
        deploy(settings)
    with _step("data prepared (Ray Data), models searched, trained, tested and packaged (Ray)"):
        dataset = declare(spec, settings, as_of=MARCH, count=count)
        with progress() as bars:
            registered, failed = train(spec, dataset, settings, as_of=MARCH, on_progress=bars)
    tell_left_out(dataset, "  ")
    for failure in failed:
        print(f"  failed {failure.model}: {failure.reason}")
    if not registered:
        return 1
    with _step("March to December replayed as live traffic"), progress() as bars:
        telling = Telling(settings.database, bars.say)
        tally = replay(
            spec, cluster.serve_url, MARCH, YEAR_END, on_progress=bars, after_day=lambda day: telling.tell(day.start)
        )
    print(
        f"  {tally.requests:,} HTTP requests, {tally.decisions:,} predictions, {tally.outcomes:,} outcomes; "
        f"{tally.retried} sent again, {tally.failed} failed"
    )
    for failure_text in tally.failures:
        print(f"  {failure_text}", file=sys.stderr)
    verified = _report(settings)
    called = _call(spec, cluster, settings, keep=keep)
    return 0 if verified and called and not tally.failed else 1


def _report(settings: Settings) -> bool:
    """Writes the report and prints its table; whether the ledger verifies."""
    from rich.console import Console

    from runtime.console.report import write_report
    from runtime.console.terminal import terminal_table

    path = settings.home / "report.html"
    with _step("report"):
        story = write_report(settings.database, settings.store, path)
    Console().print(terminal_table(story))
    print(f"Report: {_short(path)}")
    if story.head.problem is not None:
        print(f"The ledger does NOT verify: {story.head.problem}", file=sys.stderr)
        return False
    print(f"Ledger: {story.head.size:,} entries, verified, Merkle root {story.head.root}")
    print(f"        verify it yourself: .venv/bin/fleetward ledger verify --database {_relative(settings)}")
    return True


def _call(spec: Spec, cluster: LocalCluster, settings: Settings, *, keep: bool) -> bool:
    """Asks one model over HTTP about the year's last flight, and says how to do it by hand."""
    import httpx

    from actors.connect import governor
    from actors.quiescence import ask
    from jobs.admitting import admit_client, models_pattern
    from runtime.pipeline.asking import infer_request
    from runtime.pipeline.replay import models_of
    from runtime.pipeline.sources import load_source

    serving = [model.name for model in ask(governor().models.remote) if model.champion is not None]
    if not serving:
        print("no model serves: none passed its gates", file=sys.stderr)
        return False
    frame = load_source(spec)
    request = infer_request(spec, serving[0], frame[models_of(spec, frame) == serving[0]].tail(1))
    body = settings.home / "request.json"
    body.write_bytes(request.body)
    url = f"{cluster.serve_url}{request.path}"
    print(f"\nCall a model{'' if keep else ' (with KEEP=1 the fleet stays up for it)'}:")
    key = admit_client(settings, "client", (models_pattern(spec),), spec.serving.pools, timedelta(days=30))
    print(f"  curl -H @{shlex.quote(_short(key))} {shlex.quote(url)} -d @{shlex.quote(_short(body))}")
    name, _, value = key.read_text().strip().partition(": ")
    answer = httpx.post(url, content=request.body, headers={name: value}, trust_env=False)
    print(f"  {answer.status_code} {answer.text}")
    if keep:
        print(f"Dashboard: {cluster.dashboard}   Stop it: make down")
    return answer.status_code == httpx.codes.OK


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Says what is being done, and how long it took."""
    print(f"==> {what} ...", flush=True)
    begun = time.monotonic()
    yield
    print(f"    done in {time.monotonic() - begun:.0f} s", flush=True)


def _disconnect() -> None:
    if "ray" in sys.modules:
        import ray

        ray.shutdown()


def _stop(signum: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(signum).name)


def _short(path: Path) -> str:
    """Relative to where one stands, if it is below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _relative(settings: Settings) -> str:
    return f"sqlite:///{_short(settings.home / 'ledger.db')}"


if __name__ == "__main__":
    from jobs.ending import run

    run(main)

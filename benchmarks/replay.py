"""What a year with Fleetward is worth: against a fleet never retrained, and against retraining every month blindly.

All three answer the same flights of March to December. Fleetward's errors are those of the demo itself, run here as a
user runs it and read from its ledger and segments; the never retrained fleet's are its first versions' on the same
recorded inputs. The blind fleet is retrained on the first of each month, April to December, on the 60 days before, with
the parameters of the first versions and without gates; the March versions count as its tenth training.

    python benchmarks/replay.py --fleet 24        (or all; --home FOLDER reads a demo that has run already)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from runtime.console.story import Story, read_story  # noqa: E402
from runtime.domain.events import VersionRegistered  # noqa: E402
from runtime.domain.load import load_spec  # noqa: E402
from runtime.domain.spec import Spec  # noqa: E402
from runtime.flavors import Floats  # noqa: E402
from runtime.ledger.log import Log  # noqa: E402
from runtime.local_cluster import LocalCluster, join  # noqa: E402
from runtime.settings import Settings  # noqa: E402
from runtime.storage.objects import ObjectStore  # noqa: E402

SPEC = ROOT / "examples" / "flights" / "spec.yaml"
RESULTS = ROOT / "benchmarks" / "results" / "replay.json"
WINDOW = timedelta(days=60)
MONTHS = [datetime(2013, month, 1, tzinfo=UTC) for month in range(3, 13)] + [datetime(2014, 1, 1, tzinfo=UTC)]
BLIND_RETRAINS = 10
REACH = {"below_never": 0.30, "above_blind": 0.04, "share_of_blinds_retrains": 0.25}


def run_demo(home: Path, fleet: str) -> float:
    """Seconds that ``make demo`` takes once it is installed."""
    start = time.perf_counter()
    command = [sys.executable, str(ROOT / "jobs" / "demo.py"), "--fleet", fleet, "--home", str(home)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "KEEP": ""})
    return time.perf_counter() - start


def first_parameters(settings: Settings) -> dict[str, dict[str, object]]:
    """The parameters of each model's first version."""
    with Log.open_read_only(settings.database) as log:
        events = [entry.event for entry in log.entries(kinds=["version_registered"])]
    registered = [event for event in events if isinstance(event, VersionRegistered)]
    return {event.model: dict(event.parameters) for event in registered if event.version == 1}


def blind_errors(spec: Spec, models: dict[str, dict[str, object]], folder: Path) -> Floats:
    """Absolute errors of the blind fleet on every flight, month after month."""
    from runtime.pipeline.checks import canonical
    from runtime.pipeline.fleet import train_fleet
    from runtime.pipeline.plan import Plan
    from runtime.pipeline.prepare import prepare
    from runtime.pipeline.replay import models_of
    from runtime.pipeline.rows import Rows
    from runtime.pipeline.sources import load_source
    from runtime.pipeline.train import TrainedModel

    store = ObjectStore.open(str(folder / "store"))
    frame = load_source(spec)
    frame = frame.assign(_model=models_of(spec, frame))
    frame = frame[frame["_model"].isin(models)]
    predictors = {}
    errors = []
    for start, end in pairwise(MONTHS):
        since = None if start == MONTHS[0] else start - WINDOW
        dataset = prepare(spec, store=store, as_of=start, since=since, models=set(models))
        for built in train_fleet(
            spec, dataset, store=store, batch=f"{start:%Y-%m}", candidates=models, plan=Plan.first(spec)
        ):
            if isinstance(built, TrainedModel):  # a month with too few flights keeps the model it has
                predictors[built.model] = built.predictor
        month = frame[(frame[spec.data.time] >= start) & (frame[spec.data.time] < end)]
        for name, part in month.groupby("_model"):
            table = canonical(pa.Table.from_pandas(part, preserve_index=False), dataset.layout)
            rows = Rows.from_table(table, dataset.layout)
            errors.append(np.abs(predictors[str(name)].predict(rows.columns) - rows.target))
    return np.concatenate(errors)


def judge(story: Story, blind: Floats, seconds: float | None) -> dict[str, object]:
    """The numbers, and whether they reach."""
    errors = story.errors
    assert errors is not None
    assert len(blind) == errors.rows, f"the blind fleet answered {len(blind)} flights, Fleetward {errors.rows}"
    served, never, blindly = errors.served, errors.never_retrained, float(blind.mean())
    attempts = story.tally.retrained / story.serving
    return {
        "benchmark": "replay",
        "models": story.serving,
        "rows": errors.rows,
        "mae": {"never": round(never, 3), "blind": round(blindly, 3), "fleetward": round(served, 3)},
        "below_never": round(1 - served / never, 4),
        "above_blind": round(served / blindly - 1, 4),
        "retrains_a_model": round(attempts, 2),
        "share_of_blinds_retrains": round(attempts / BLIND_RETRAINS, 3),
        "accepted": story.tally.accepted,
        "refused": story.tally.refused,
        "reach": REACH,
        "reached": {
            "below_never": 1 - served / never >= REACH["below_never"],
            "above_blind": served / blindly - 1 <= REACH["above_blind"],
            "share_of_blinds_retrains": attempts / BLIND_RETRAINS <= REACH["share_of_blinds_retrains"],
        },
        "demo_seconds": None if seconds is None else round(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fleet", default="24", help='models, or "all"')
    parser.add_argument("--home", type=Path, default=None, help="a demo that has run already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fw-") as scratch:
        home, seconds = options.home, None
        if home is None:
            home = Path(scratch, "demo")
            seconds = run_demo(home, options.fleet)
        settings = Settings.from_environment({"FLEETWARD_HOME": str(home.resolve())})
        story = read_story(settings.database, settings.store)
        serving = {model.name for model in story.models if model.promotions}
        parameters = {name: given for name, given in first_parameters(settings).items() if name in serving}
        blind_home = Path(scratch, "blind")
        cluster = LocalCluster.start(blind_home, num_cpus=os.cpu_count() or 2)
        try:
            join(blind_home)
            import ray

            from actors.connect import connect

            connect()
            blind = blind_errors(load_spec(SPEC), parameters, blind_home)
        finally:
            ray.shutdown()  # before its cluster goes, which would end this process too
            cluster.stop()
    result = judge(story, blind, seconds)
    print(f"{'':12}{'MAE':>8}   ({result['rows']} flights of {result['models']} models)")
    for name, mae in result["mae"].items():  # type: ignore[attr-defined]
        print(f"{name:12}{mae:>8.2f}")
    for name, limit in REACH.items():
        reached = result["reached"][name]  # type: ignore[index]
        print(f"{name:26}{result[name]:>8.3f}   to reach: {limit}: {'yes' if reached else 'no'}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

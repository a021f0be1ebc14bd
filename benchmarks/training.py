"""Training a fleet on Ray against joblib doing the same fits on the same cores.

Both sides start from rows in memory and end with each model's best candidate, its sibling judged and its final fit:
per model, trials x folds + 2 fits, and one artifact serialised. Fleetward's side is `run_fleet` from the prepared
dataset on (load from the store, chunked tasks); joblib's is `Parallel` over models, its processes warm. The
processes of both are warmed up by a small fleet first, and the sides take turns.

    python benchmarks/training.py --routes 24 --trials 4

`--part linear` trains 1,000 small linear models without a search, against one Ray Tune trial a model. Trials are run
for a few models only, twice, and the time of 1,000 is reckoned from the difference: start once, then so much a trial.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # on both sides
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)

import joblib  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from runtime.domain.load import load_spec  # noqa: E402
from runtime.domain.spec import Spec  # noqa: E402
from runtime.flavors.threads import one_thread  # noqa: E402
from runtime.local_cluster import LocalCluster, join  # noqa: E402
from runtime.pipeline.dataset import PreparedDataset  # noqa: E402
from runtime.pipeline.fleet import train_fleet  # noqa: E402
from runtime.pipeline.plan import Plan  # noqa: E402
from runtime.pipeline.prepare import prepare  # noqa: E402
from runtime.pipeline.rows import Rows  # noqa: E402
from runtime.pipeline.train import TrainedModel, train_model  # noqa: E402
from runtime.pipeline.trial import best_of, samples  # noqa: E402
from runtime.storage.objects import ObjectStore  # noqa: E402

REACH = 1.15
LINEAR_REACH = 20
LINEAR, FEW, MORE = 1_000, 8, 24
AS_OF = datetime(2013, 7, 1, tzinfo=UTC)
SPEC = ROOT / "examples" / "flights" / "spec.yaml"
RESULTS = ROOT / "benchmarks" / "results" / "training.json"


def joblib_one(spec: Spec, dataset: PreparedDataset, rows: Rows, model: str, tried: list[dict[str, Any]]) -> float:
    """One model the plain way."""
    with one_thread():
        plan = Plan.first(spec)
        best = best_of(spec, dataset.schema, model, rows, tried, plan)
        assert not isinstance(best, str), best
        return len(train_model(spec, dataset.schema, model, {}, rows, best, plan).artifact)


def run_joblib(spec: Spec, dataset: PreparedDataset, store: ObjectStore, cores: int) -> float:
    """Seconds."""
    rows = [(partition.model, partition.load(store, dataset.layout)) for partition in dataset.partitions]
    tried = samples(spec)
    start = time.perf_counter()
    with joblib.parallel_config("loky", n_jobs=cores, inner_max_num_threads=1):
        done = joblib.Parallel()(joblib.delayed(joblib_one)(spec, dataset, each, name, tried) for name, each in rows)
    assert len(done) == len(dataset.partitions)
    return time.perf_counter() - start


def run_fleetward(spec: Spec, dataset: PreparedDataset, store: ObjectStore) -> float:
    """Seconds."""
    start = time.perf_counter()
    done = list(train_fleet(spec, dataset, store=store, batch="benchmark"))
    seconds = time.perf_counter() - start
    assert all(isinstance(result, TrainedModel) for result in done)
    assert len(done) == len(dataset.partitions)
    return seconds


def many() -> pd.DataFrame:
    """1,000 partitions of 60 rows: a line with noise. The source of ``linear_spec``."""
    chance = np.random.default_rng(2013)
    rows = LINEAR * 60
    x, y = chance.normal(size=rows), chance.normal(size=rows)
    return pd.DataFrame(
        {
            "time": pd.date_range("2026-01-01", periods=60, freq="h", tz="UTC").repeat(LINEAR),
            "place": [f"p{at:04d}" for at in range(LINEAR)] * 60,
            "x": x,
            "y": y,
            "target": 2 * x - y + chance.normal(size=rows),
        }
    )


def linear_spec() -> Spec:
    """A fleet of 1,000 Ridge models with nothing to search."""
    document = load_spec(SPEC).as_document()
    document |= {"name": "line-{place}", "for_each": {"by": ["place"], "min_rows": 60}, "gates": [{"round_trip": True}]}
    document["data"] = {
        "source": "benchmarks.training:many",
        "time": "time",
        "target": "target",
        "features": ["x", "y"],
    }
    document["train"] |= {"estimator": "Ridge", "search": {"alpha": 1.0}}
    document["retrain"] = {}
    return Spec.model_validate(document)


def by_trials(spec: Spec, dataset: PreparedDataset, store: ObjectStore, models: int) -> float:
    """Seconds of one Tune trial a model, as a plain use of Tune has it."""
    from ray import tune

    chosen = dataset.partitions[:models]

    def one(config: dict[str, Any]) -> None:
        partition = chosen[config["at"]]
        rows = partition.load(store, dataset.layout)
        with one_thread():
            made = train_model(spec, dataset.schema, partition.model, {}, rows, {"alpha": 1.0}, Plan.first(spec))
        tune.report({"bytes": len(made.artifact)})

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = tune.RunConfig(storage_path=folder, verbose=0)
        found = tune.Tuner(one, param_space={"at": tune.grid_search(list(range(models)))}, run_config=run).fit()
        seconds = time.perf_counter() - start
    assert len(found) == models
    assert not found.errors
    return seconds


def linear(store: ObjectStore) -> None:
    """The table of ``--part linear``, and the same as JSON."""
    spec = linear_spec()
    dataset = prepare(spec, store=store)
    run_fleetward(spec, replace(dataset, partitions=dataset.partitions[:16]), store)
    few, more = by_trials(spec, dataset, store, FEW), by_trials(spec, dataset, store, MORE)
    ours = run_fleetward(spec, dataset, store)
    trial = (more - few) / (MORE - FEW)
    theirs = few + trial * (LINEAR - FEW)
    result = {
        "benchmark": "training of many linear models",
        "models": LINEAR,
        "fleetward_s": round(ours, 2),
        "trials_measured": {str(FEW): round(few, 2), str(MORE): round(more, 2)},
        "a_trial_s": round(trial, 3),
        "trials_reckoned_s": round(theirs, 1),
        "times": round(theirs / ours, 1),
        "reach": LINEAR_REACH,
        "reached": theirs / ours >= LINEAR_REACH,
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    print(json.dumps(result, indent=2))
    RESULTS.with_name("training_linear.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--routes", type=int, default=24, help="models in the fleet")
    parser.add_argument("--trials", type=int, default=None, help="samples tried (default: the spec's)")
    parser.add_argument("--spec", type=Path, default=SPEC)
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=("routes", "linear"), default="routes")
    options = parser.parse_args()
    spec = load_spec(options.spec)
    if options.trials:
        spec = spec.model_copy(update={"train": spec.train.model_copy(update={"trials": options.trials})})
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        cluster = LocalCluster.start(Path(folder), num_cpus=options.cores)
        try:
            join(Path(folder))
            import ray

            from actors.connect import connect

            connect()
            store = ObjectStore.open(f"{folder}/store")
            if options.part == "linear":
                linear(store)
                return
            everything = prepare(spec, store=store, as_of=AS_OF)
            names = [partition.model for partition in everything.partitions]
            step = max(1, len(names) // options.routes)
            dataset = prepare(spec, store=store, as_of=AS_OF, models=names[::step][: options.routes])
            warm = prepare(spec, store=store, as_of=AS_OF, models=names[: options.cores])
            run_joblib(spec, warm, store, options.cores)
            run_fleetward(spec, warm, store)
            ours, theirs = [], []
            for _ in range(options.rounds):
                theirs.append(run_joblib(spec, dataset, store, options.cores))
                ours.append(run_fleetward(spec, dataset, store))
        finally:
            ray.shutdown()  # before its cluster goes, which would end this process too
            cluster.stop()
    report(spec, dataset, ours, theirs, options.cores)


def report(spec: Spec, dataset: PreparedDataset, ours: list[float], theirs: list[float], cores: int) -> None:
    """The table, and the same as JSON."""
    ratio = statistics.median(ours) / statistics.median(theirs)
    fits = len(dataset.partitions) * (spec.train.trials * spec.train.folds + 2)
    result = {
        "benchmark": "training",
        "estimator": spec.train.estimator,
        "routes": len(dataset.partitions),
        "rows": dataset.rows,
        "trials": spec.train.trials,
        "fits": fits,
        "cores": cores,
        "fleetward_s": [round(seconds, 2) for seconds in ours],
        "joblib_s": [round(seconds, 2) for seconds in theirs],
        "fleetward_median_s": round(statistics.median(ours), 2),
        "joblib_median_s": round(statistics.median(theirs), 2),
        "ratio": round(ratio, 3),
        "reach": REACH,
        "reached": ratio <= REACH,
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    print(f"{len(dataset.partitions)} models, {dataset.rows} rows, {fits} fits, {cores} cores; median of {len(ours)}")
    print(f"{'':12}{'seconds':>10}{'fits/s':>10}")
    for name in ("joblib", "fleetward"):
        seconds = result[f"{name}_median_s"]
        print(f"{name:12}{seconds:>10.2f}{fits / seconds:>10.1f}")  # type: ignore[operator]
    print(f"ratio {ratio:.2f}, to reach: at most {REACH}: {'yes' if ratio <= REACH else 'no'}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

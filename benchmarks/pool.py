"""1,000 models in one replica against one model: how long an answer takes, and how much memory they need.

The replica is the one that Serve runs, without Ray around it (``servers/replica.py``): pool, grants, capture, HTTP. Two
of them run, one with one model, one with all; wrk asks them in turns, the second for one model after another. The
models' own bytes are what the library's estimators take in a process that holds nothing else.

    python benchmarks/pool.py --models 1000 --rounds 7
    python benchmarks/pool.py --quick
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import orjson  # noqa: E402
import psutil  # noqa: E402

from benchmarks.servers.load import Ask  # noqa: E402
from benchmarks.servers.peers import free_port  # noqa: E402
from benchmarks.servers.report import Effort, Measured, Side, conditions, keep, ratio, reached, table, take_turns  # noqa: E402
from runtime.domain.schema import Field, FieldKind, Schema  # noqa: E402

FEATURES = 20
SCHEMA = Schema(
    inputs=tuple(Field(name=f"x{at}", kind=FieldKind.NUMBER) for at in range(FEATURES)),
    outputs=(Field(name="y", kind=FieldKind.NUMBER),),
)
REPLICA = ROOT / "benchmarks" / "servers" / "replica.py"
ESTIMATORS = {"Ridge": {}, "RandomForestRegressor": {"n_estimators": 20, "max_depth": 8}}
_UP_WITHIN_S = 300.0
_MB = 1e6


def make(folder: Path, estimator: str, models: int) -> None:
    """So many versions, each fitted on rows of its own."""
    from runtime.flavors import dump
    from runtime.flavors.encoding import Encoding
    from runtime.flavors.estimators import make_estimator
    from runtime.flavors.sklearn import SklearnPredictor
    from runtime.storage.objects import ObjectStore

    store, chance, digests = ObjectStore.open(str(folder / "store")), np.random.default_rng(2013), []
    for at in range(models):
        columns = {field.name: chance.normal(size=200) for field in SCHEMA.inputs}
        encoding = Encoding.learn(columns, SCHEMA)
        fitted = make_estimator(estimator, ESTIMATORS[estimator], seed=at)
        fitted.fit(encoding.matrix(columns), columns["x0"] * columns["x1"] + chance.normal(size=200))
        digests.append(store.put(dump(SklearnPredictor(fitted, SCHEMA, encoding))))
    (folder / "models.json").write_text(json.dumps(digests))


@contextmanager
def replica(folder: Path, models: int) -> Iterator[tuple[str, psutil.Process]]:
    """The process with so many models, and where it answers."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(REPLICA), "serve", str(folder), str(models), str(port)])
    try:
        url, ends = f"http://127.0.0.1:{port}", time.monotonic() + _UP_WITHIN_S
        while not is_up(url):
            if process.poll() is not None or time.monotonic() > ends:
                raise SystemExit(f"the replica with {models} models is not up")
            time.sleep(0.1)
        yield url, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def is_up(url: str) -> bool:
    """Whether it answers."""
    try:
        memory(url)
    except (urllib.error.URLError, OSError):
        return False
    return True


def memory(url: str) -> tuple[int, int]:
    """Bytes of the replica with its first model, and what the others added."""
    with urllib.request.urlopen(f"{url}/memory", timeout=10) as answer:  # noqa: S310 - a server of our own
        base, grown = map(int, answer.read().split())
    return base, grown


def ask(url: str, models: int) -> Ask:
    """One row, of one model after another."""
    row = np.random.default_rng(1).normal(size=FEATURES).tolist()
    body = orjson.dumps({"inputs": [{"name": "x", "shape": [1, FEATURES], "datatype": "FP64", "data": row}]})
    paths = tuple(f"/v2/models/model-{at:04}/infer" for at in range(models))
    return Ask(f"{url}{paths[0]}", body, paths=paths)


def p50(measured: Measured) -> float:
    """Milliseconds."""
    return measured.answered.p50_ms


def measure(estimator: str, models: int, effort: Effort) -> dict[str, Any]:
    """Ratios of time and memory for models of one kind."""
    with tempfile.TemporaryDirectory(prefix="fw-") as name:
        folder = Path(name)
        make(folder, estimator, models)
        command = [sys.executable, str(REPLICA), "own", str(folder), str(models)]
        own = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        with replica(folder, 1) as (one, first), replica(folder, models) as (all_, second):
            sides = {"one model": Side(ask(one, 1), (first,)), "all models": Side(ask(all_, models), (second,))}
            found = take_turns(sides, effort)
            base, grown = memory(all_)
    print(f"{models:,} models of {estimator}, one row")
    sides_found = table(found)
    print(f"memory: {base / _MB:.0f} MB with one model, {grown / _MB:.1f} more with all; their own {own / _MB:.1f}")
    return {
        **conditions(effort),
        "models": models,
        "sides": sides_found,
        "base_mb": round(base / _MB, 1),
        "added_mb": round(grown / _MB, 1),
        "own_mb": round(own / _MB, 1),
        "p50": reached("p50, of one model", ratio(found, "all models", "one model", p50), most=1.2),
        "memory": reached("memory beyond the base, of the models' own", round(grown / own, 2), most=1.5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=ESTIMATORS, action="append", help="may be given again; all if not given")
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=5, help="of one side in one round")
    parser.add_argument("--quick", action="store_true", help="50 models, one second, one round; keeps no result")
    options = parser.parse_args()
    effort = Effort(1, 1, is_quick=True) if options.quick else Effort(options.rounds, options.seconds)
    for part in options.part or ESTIMATORS:
        result = measure(part, 50 if options.quick else options.models, effort)
        if not options.quick:
            keep("pool", part, result)


if __name__ == "__main__":
    main()

"""Performance before outcomes against NannyML's, on the data that NannyML brings: census rows of Massachusetts.

A classifier's scores of 2015 with outcomes are the reference; chunks of the years after are estimated without them, and
compared with what their outcomes then told. CPU time on both sides, the least of some rounds; NannyML's includes its
bands and thresholds, ours the bands of five metrics.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from monitors.environments import ask

from runtime.domain.metrics import Metric
from runtime.statistics.cbpe import ScoreEstimator
from runtime.statistics.classification import ScoreCounts
from runtime.statistics.estimated import Estimate
from runtime.statistics.scoring import value

CHUNK = 5000
ROUNDS = 9
REACH_TIMES = 9.0
Arrays = tuple[np.ndarray, np.ndarray]


def run() -> list[dict[str, object]]:
    """The table, and the same as rows."""
    with tempfile.TemporaryDirectory() as folder:
        theirs = ask("nannyml", folder, str(CHUNK), script="cbpe")
        if any("error" in each for each in theirs):
            print(theirs)
            return theirs
        reference, analysis = (_read(Path(folder), name) for name in ("reference", "analysis"))
    fit, estimate, estimates = timed(reference, analysis[0])
    parts = list(zip(*map(chunks, analysis), strict=True))
    print(
        f"{'':10}{'chunks':>8}{'error, ours':>14}{'nannyml':>10}{'in our band':>13}"
        f"{'CPU, ours':>12}{'nannyml':>10}{'times':>8}"
    )
    return [compared(each, estimates, parts, fit + estimate) for each in theirs]


def timed(reference: Arrays, scores: np.ndarray) -> tuple[float, float, list[dict[str, Estimate]]]:
    """Seconds of CPU to learn and to estimate every chunk, and the estimates."""
    fit, estimate, found = [], [], []
    for _ in range(ROUNDS):
        start = time.process_time()
        estimator = ScoreEstimator(ScoreCounts.of(*reference))
        fit.append(time.process_time() - start)
        start = time.process_time()
        found = [estimator.expected(estimator.count(part)) for part in chunks(scores)]
        estimate.append(time.process_time() - start)
    return min(fit), min(estimate), found


def compared(
    theirs: dict[str, object], estimates: list[dict[str, Estimate]], parts: list[Arrays], seconds: float
) -> dict[str, object]:
    """One metric: the mean absolute error of the estimates over all chunks, on both sides."""
    metric = Metric(str(theirs["metric"]))
    real = np.array([value(metric, scores, outcomes) for scores, outcomes in parts])
    mine = [each[metric.value] for each in estimates]
    assert len(mine) == theirs["chunks"]
    error = float(np.abs(np.array([each.value for each in mine]) - real).mean())
    inside = float(np.mean([each.low <= found <= each.high for each, found in zip(mine, real, strict=True)]))
    peer_seconds = float(str(theirs["fit_cpu_s"])) + float(str(theirs["estimate_cpu_s"]))
    peer_error, times = float(str(theirs["mean_absolute_error"])), peer_seconds / seconds
    print(
        f"{metric.value:10}{len(mine):>8}{error:>14.5f}{peer_error:>10.5f}{inside:>12.0%} "
        f"{1000 * seconds:>9.1f} ms{peer_seconds:>8.2f} s{times:>8.0f}"
    )
    return {
        "metric": metric.value,
        "chunks": len(mine),
        "chunk_rows": CHUNK,
        "mean_absolute_error": round(error, 6),
        "in_band": round(inside, 3),
        "cpu_ms": round(1000 * seconds, 2),
        "nannyml": {**theirs, "cpu_ms": round(1000 * peer_seconds, 1)},
        "times_faster": round(times, 1),
        "reached": error <= peer_error and times >= REACH_TIMES,
    }


def chunks(rows: np.ndarray) -> list[np.ndarray]:
    """Parts of ``CHUNK`` rows; the last one is what is left."""
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


def _read(folder: Path, name: str) -> Arrays:
    return np.load(folder / f"{name}_scores.npy"), np.load(folder / f"{name}_outcomes.npy")

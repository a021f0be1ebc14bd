"""One check of 100,000 rows x 35 features on one core: counts, the detector's update, and the distances displayed.

CPU time on both sides, the least of some rounds, since the machine may be busy; a peer does its own check of the same
window with its reference taken in before.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from monitors.environments import ask

from runtime.statistics import counting
from runtime.statistics.detector import DetectorPlan, DetectorState, update
from runtime.statistics.distances import distances
from runtime.statistics.packed import model_digest, pack_counts, pack_state
from runtime.statistics.profile import Profile

ROWS, FEATURES, MODELS, MODEL_ROWS = 100_000, 35, 1000, 1000
REACH_MS = {"float64, compiled": 12.0, "float64, NumPy": 130.0}
REACH_FLEET_S = 1.0
REACH_TIMES = {"evidently": 300, "nannyml": 50, "scouter-ml": 3}
PEERS = ("evidently", "nannyml", "alibi", "scouter", "whylogs")

Check = Callable[[], object]


def least(check: Check, rounds: int = 9) -> float:
    """Seconds of CPU."""
    check()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        check()
        taken.append(time.process_time() - start)
    return min(taken)


class Watched:
    """One model: its baseline and its detector."""

    def __init__(self, reference: np.ndarray) -> None:
        self.profile = Profile.from_columns({f"f{i}": reference[:, i].copy() for i in range(reference.shape[1])})
        self.plan = DetectorPlan.build(self.profile)
        self.state = DetectorState.fresh(self.plan)

    def check(self, columns: dict[str, np.ndarray]) -> None:
        """All that a check is."""
        counts = self.profile.count(columns)
        self.state, _ = update(self.plan, self.state, counts)
        distances(self.profile, counts)


def run(seed: int) -> list[dict[str, object]]:
    """The table, and the same as rows."""
    rng = np.random.default_rng(seed)
    reference, current = rng.normal(size=(ROWS, FEATURES)), rng.normal(0.05, 1, size=(ROWS, FEATURES))
    found = own(reference, current)
    mine = float(str(found[0]["cpu_ms"]))
    print(f"{'':44}{'CPU':>12}{'times ours':>12}{'wanted':>10}")
    for each in found:
        print(f"{each['what']!s:44}{each['cpu_ms']!s:>9} ms{'':>12}{each.get('reach') or ''!s:>10}")
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "reference.npy", reference)
        np.save(Path(folder) / "current.npy", current)
        for peer in PEERS:
            for each in ask(peer, folder):
                found.append(_compared(each, mine))
    return found


def own(reference: np.ndarray, current: np.ndarray) -> list[dict[str, object]]:
    """Our checks, compiled first."""
    watched = Watched(reference)
    wide = {f"f{i}": current[:, i].copy() for i in range(FEATURES)}
    narrow = {name: column.astype(np.float32) for name, column in wide.items()}
    rows: list[dict[str, object]] = []

    def add(what: str, seconds: float, reach: float | None = None) -> None:
        rows.append({"what": what, "cpu_ms": round(seconds * 1000, 2), "reach": reach})
        rows[-1]["reached"] = reach is None or seconds * 1000 <= reach

    counting.use_compiled()
    add("float64, compiled", least(lambda: watched.check(wide)), REACH_MS["float64, compiled"])
    add("float32, compiled", least(lambda: watched.check(narrow)))
    add(f"{MODELS} models x {MODEL_ROWS} rows", fleet(reference, current), 1000 * REACH_FLEET_S)
    with counting.without_compiled():
        add("float64, NumPy", least(lambda: watched.check(wide), 3), REACH_MS["float64, NumPy"])
    model = model_digest("model", 1)
    parts = (pack_state(watched.state, model), *[pack_counts(watched.profile.count(wide), model)] * 2)
    rows.append(
        {"what": "bytes a feature: state, tick, window", "cpu_ms": "", "bytes": sum(map(len, parts)) / FEATURES}
    )
    return rows


def fleet(reference: np.ndarray, current: np.ndarray) -> float:
    """Seconds of CPU for a check of every one of ``MODELS`` models, which have baselines and detectors of their own."""
    models = [Watched(reference[k::50]) for k in range(50)]
    parts = [current[start : start + MODEL_ROWS] for start in range(0, ROWS, MODEL_ROWS)]
    ticks = [{f"f{i}": part[:, i].copy() for i in range(FEATURES)} for part in parts]
    return least(lambda: [models[k % 50].check(ticks[k % len(ticks)]) for k in range(MODELS)], 3)


def _compared(each: dict[str, object], mine: float) -> dict[str, object]:
    if "error" in each:
        print(f"{each['package']!s:44}{each['error']}")
        return each
    milliseconds = 1000 * float(str(each.pop("cpu_s")))
    wanted = REACH_TIMES.get(str(each["package"]))
    each |= {"cpu_ms": round(milliseconds, 1), "times_ours": round(milliseconds / mine, 1), "reach": wanted}
    each["reached"] = wanted is None or milliseconds / mine >= wanted
    label = f"{each['package']} {each['version']}, {each['what']}"
    print(f"{label:60}{each['cpu_ms']:>9} ms{each['times_ours']:>9} x{wanted or '':>7}", flush=True)
    return each

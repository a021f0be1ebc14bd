"""What every peer does: reads two windows, does its check some times on one core, and says the least time it took."""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np


def windows() -> tuple[np.ndarray, np.ndarray]:
    """(reference, current), each rows x features, float64."""
    folder = Path(sys.argv[1])
    return np.load(folder / "reference.npy"), np.load(folder / "current.npy")


def frames() -> tuple[object, object]:
    """The same as pandas data frames."""
    import pandas as pd

    names = [f"f{i}" for i in range(windows()[0].shape[1])]
    reference, current = (pd.DataFrame(window, columns=names) for window in windows())
    return reference, current


def tell(package: str, what: str, check: Callable[[], object], rounds: int = 3) -> None:
    """The least CPU time of some rounds, after one that warms up."""
    check()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        check()
        taken.append(time.process_time() - start)
    print(json.dumps({"package": package, "version": version(package), "what": what, "cpu_s": min(taken)}), flush=True)

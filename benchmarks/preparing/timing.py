"""What every side does: prepares some times on one core, and says CPU time and wall time of each round."""

import json
import resource
import time
from collections.abc import Callable
from importlib.metadata import version


def rounds(prepare: Callable[[], object], count: int) -> list[dict[str, float]]:
    """Seconds of CPU and of the clock, after one round that warms up."""
    prepare()
    taken = []
    for _ in range(count):
        cpu, wall = time.process_time(), time.perf_counter()
        prepare()
        taken.append({"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall})
    return taken


def tell(package: str, prepare: Callable[[], dict[str, int]], count: int) -> None:
    """Prints a line of JSON: the rounds, and what was found, so that all sides can be seen to agree."""
    found = prepare()
    taken = rounds(prepare, count)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    said = {"package": package, "version": version(package), "rounds": taken, "found": found, "peak_mb": peak}
    print(json.dumps(said), flush=True)

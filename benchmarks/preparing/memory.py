"""How a preparation's memory grows with its data: on a Ray of its own, of one core and a small object store.

Data go through the object store and, above its size, to disk; what a process holds of its own is one block or one
partition. So more partitions of the same size must not take more memory.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
STORE_MB = 80
PARTITION_ROWS = 10_000
SIZES = (500_000, 1_000_000, 2_000_000)


def grown(write: Callable[..., None]) -> list[dict[str, float]]:
    """For each size, in a process of its own: data and peaks in MB, and seconds."""
    found = []
    for rows in SIZES:
        with TemporaryDirectory(prefix="fw-memory-") as folder:
            source = Path(folder) / "rows"
            source.mkdir()
            write(source, rows, rows // PARTITION_ROWS, files=rows // 50_000)
            done = subprocess.run(
                [sys.executable, __file__, folder], check=True, capture_output=True, text=True, cwd=ROOT
            )
        found.append({"rows": rows, **json.loads(done.stdout.splitlines()[-1])})
        print(found[-1], flush=True)
    return found


class Peak(threading.Thread):
    """The most that this process and all it started held of their own at one time, in MB; and what they share."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.own = self.shared = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        import psutil

        me = psutil.Process()
        while not self.over.wait(0.2):
            own = shared = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    held = process.memory_info()
                except psutil.Error:
                    continue
                own, shared = own + held.rss - held.shared, max(shared, held.shared)
            self.own, self.shared = max(self.own, own / 1e6), max(self.shared, shared / 1e6)


def measure(folder: Path) -> dict[str, float]:
    """One preparation."""
    sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
    import pyarrow.parquet as pq
    import ray
    from preparing.ours import spec_of

    from runtime.pipeline.prepare import prepare
    from runtime.storage.objects import ObjectStore

    ray.init(
        num_cpus=1,
        object_store_memory=STORE_MB << 20,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}"}},
        _temp_dir=str(folder / "ray"),
    )
    try:
        peak = Peak()
        peak.start()
        start = time.perf_counter()
        dataset = prepare(spec_of(folder / "rows", 8, leakage=True), store=ObjectStore.open(str(folder / "store")))
        seconds = time.perf_counter() - start
        peak.over.set()
        peak.join()
    finally:
        ray.shutdown()
    files = [pq.ParquetFile(path).metadata for path in (folder / "rows").glob("*.parquet")]
    size = sum(file.row_group(at).total_byte_size for file in files for at in range(file.num_row_groups))
    return {
        "data_mb": round(size / 1e6),
        "object_store_mb": STORE_MB,
        "own_peak_mb": round(peak.own),
        "shared_peak_mb": round(peak.shared),
        "partitions": len(dataset.partitions),
        "seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))

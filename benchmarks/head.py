"""The whole head killed under load: how long until models answer again, and what was lost.

Every process of a cluster gets SIGKILL at once (GCS, raylet, governor, operator, monitor, replicas, Serve's controller,
HAProxy), five times each way, while a client asks without a pause and keeps what it was answered:

    up        `fleetward up` makes a new cluster on the same home; all that is known comes from the ledger
    storage   the same Ray is started again, as systemd would, and its GCS finds actors and applications on disk
              (RAY_gcs_storage=rocksdb, as in cluster.yaml)

    python benchmarks/head.py --kills 5
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import httpx  # noqa: E402

from benchmarks.servers.fleet import MODEL, Served, json_body, served  # noqa: E402
from runtime.ledger.verify import verify_log  # noqa: E402
from runtime.local_cluster import LocalCluster  # noqa: E402
from runtime.local_cluster.cluster import _launch  # noqa: E402
from runtime.local_cluster.processes import members_of  # noqa: E402

WAYS = ("up", "storage")
WANTED_S = 60.0
GIVE_UP_S = 180.0


class Client(threading.Thread):
    """Asks one row after another, wherever the fleet is, and keeps the ids of the answers."""

    def __init__(self, fleet: Served) -> None:
        super().__init__(daemon=True)
        self.fleet = fleet
        self.url = fleet.url
        self.answered: list[tuple[float, str]] = []
        self.failed = 0
        self.over = threading.Event()

    def run(self) -> None:
        """Until it is told that it is over."""
        body = json_body(1)
        with httpx.Client(headers=self.fleet.headers, timeout=2.0) as client:
            while not self.over.is_set():
                try:
                    reply = client.post(self.url, content=body)
                except httpx.HTTPError:
                    self.failed += 1
                    self.over.wait(0.05)
                    continue
                if reply.status_code == httpx.codes.OK:
                    self.answered.append((time.monotonic(), reply.headers["fleetward-decision-id"]))
                else:
                    self.failed += 1
                    self.over.wait(0.05)

    def first_answer_after(self, moment: float) -> float:
        """Seconds until an answer that came after the moment. Raises ``SystemExit`` when there is none."""
        while time.monotonic() < moment + GIVE_UP_S:
            later = [at for at, _ in self.answered[-50:] if at > moment]
            if later:
                return later[0] - moment
            time.sleep(0.05)
        raise SystemExit(f"nothing answered within {GIVE_UP_S:.0f} s")


def kill(cluster: LocalCluster) -> int:
    """SIGKILL to every process of the cluster, as a machine that loses its power does; how many there were."""
    victims = members_of(Path(cluster.temp_dir))
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    while members_of(Path(cluster.temp_dir)):
        time.sleep(0.02)
    return len(victims)


def revive(way: str, fleet: Served, cluster: LocalCluster) -> LocalCluster:
    """A Ray again, and Fleetward on it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    if way == "storage":
        return _launch(cluster, max(2, os.cpu_count() or 1))
    run = subprocess.run(
        [sys.executable, "-m", "jobs.up"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(run.stdout + run.stderr)
    found = LocalCluster.load(Path(fleet.cluster.home))
    if found is None:
        raise SystemExit("no cluster is up")
    return found


@contextmanager
def stored(way: str, folder: str) -> Iterator[None]:
    """Where it is asked for, clusters of this process keep what their GCS knows in the folder."""
    wanted = {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": folder} if way == "storage" else {}
    os.environ |= wanted
    try:
        yield
    finally:
        for name in wanted:
            os.environ.pop(name, None)


def measure(way: str, kills: int) -> dict[str, Any]:
    """Kills so often; seconds to the first answer, and what the ledger has of the answers."""
    seconds = []
    with tempfile.TemporaryDirectory(prefix="gcs-") as disk, stored(way, disk), served(1) as fleet:
        import ray

        ray.shutdown()  # a driver ends with its cluster
        cluster = fleet.cluster
        client = Client(fleet)
        client.start()
        for number in range(kills):
            seen = len(client.answered)
            while len(client.answered) < seen + 200:
                time.sleep(0.02)
            killed = kill(cluster)
            at = time.monotonic()
            cluster = revive(way, fleet, cluster)
            client.url = f"{cluster.serve_url}/v2/models/{MODEL}/infer"
            seconds.append(client.first_answer_after(at))
            print(f"{way} {number + 1}: {killed} processes, answering after {seconds[-1]:.1f} s", flush=True)
        client.over.set()
        client.join()
        lost = missing(fleet, cluster, {decision for _, decision in client.answered})
        entries = verify_log(fleet.settings.database).size
        cluster.stop()
    return {"seconds": seconds, "answered": len(client.answered), "lost": lost, "entries": entries}


def missing(fleet: Served, cluster: LocalCluster, answered: set[str]) -> int:
    """How many answered decisions are in no sealed segment, once everything was sealed."""
    script = (
        "from actors.connect import connect; from actors.quiescence import settle; connect(); settle('default');"
        "import ray; ray.shutdown()"
    )
    environment = {**os.environ, **cluster.environment()}
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True, capture_output=True)
    import pyarrow.parquet as pq

    sealed: set[str] = set()
    for file in Path(fleet.settings.store).rglob("*.parquet"):
        table = pq.read_table(file)
        if "decision_id" in table.column_names:
            sealed |= {str(value) for value in table["decision_id"].to_pylist()}
    return len(answered - sealed)


def main() -> None:
    """Prints a table and writes benchmarks/results/head.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--way", choices=WAYS, action="append")
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    found = {way: measure(way, options.kills) for way in options.way or WAYS}
    for way, each in found.items():
        worst = max(each["seconds"])
        print(
            f"{way:<8} median {statistics.median(each['seconds']):.1f} s, worst {worst:.1f} s "
            f"(to reach: at most {WANTED_S:.0f} s: {'yes' if worst <= WANTED_S else 'no'}); "
            f"{each['answered']:,} answered, {each['lost']} of them lost; {each['entries']:,} entries verify"
        )
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / "head.json").write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

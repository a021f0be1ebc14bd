"""Verifying a bundle offline: leaves/s of the root and of the full check, beside the bare hashes they rest on.

A bundle of a ledger's usual entries is written to a file, and then read from it three ways, which take turns:

    bare      only the hashes: SHA-256 of each leaf and of each node above, from memory, nothing read or compared
    root      what the root needs: file, lines, leaf hashes compared with those beside them, tree, signed checkpoint
    full      `fleetward verify`: the root, and each leaf's canonical form, event, id and time

Wall time counts what else the machine did meanwhile, processor time does not; both are told, rates are of the latter.

    python benchmarks/verifier.py --leaves 300000
"""

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

from runtime.domain.entry import leaf_bytes  # noqa: E402
from runtime.domain.events import Event, SegmentContent, SegmentSealed, TicksClosed, VerdictReached  # noqa: E402
from runtime.domain.ids import derived_id, digest_of  # noqa: E402
from runtime.domain.verdict import Action, Verdict  # noqa: E402
from runtime.ledger.checkpoint import Checkpoint, sign_checkpoint  # noqa: E402
from runtime.ledger.merkle import leaf_hash, root  # noqa: E402
from runtime.ledger.note import Signer  # noqa: E402
from runtime.ledger.signing import SigningKey  # noqa: E402
from runtime.proof.bundle import write_bundle  # noqa: E402
from runtime.proof.checkpoints import Keys  # noqa: E402
from runtime.proof.verify_bundle import root_of_bundle, verify_bundle  # noqa: E402

REACH = 250_000
START = datetime(2026, 1, 1, tzinfo=UTC)
RESULTS = ROOT / "benchmarks" / "results" / "verifier.json"
SIGNER = Signer(SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(32))), "example.org/ledger")
Measured = dict[str, list[tuple[float, float]]]


def event(seq: int) -> Event:
    """What a ledger under load mostly holds: segments, then verdicts, then ticks."""
    time_ = START + timedelta(seconds=seq)
    if seq % 8 == 7:
        return TicksClosed(until=time_, ticks=1, decisions=seq, outcomes=seq)
    if seq % 4 == 3:
        verdict = Verdict(action=Action.NOTHING, reason="within its limits", numbers={"mae": 9.25, "limit": 12.5})
        policy = digest_of(b"policy")
        return VerdictReached(finding=f"f{seq}", model="flight-time-UA", verdict=verdict, policy=policy, as_of=time_)
    return SegmentSealed(
        content=SegmentContent.DECISIONS,
        digest=digest_of(str(seq).encode()),
        record_root=sha256(str(-seq).encode()).hexdigest(),
        records=46,
        replica="0pysclwy",
        epoch="01a20dbb-dc74-77ca-a90e-b0bbac3a9735",
        first_number=seq * 46 + 1,
        last_number=seq * 46 + 46,
        first_time=time_,
        last_time=time_,
    )


def write(path: Path, count: int) -> list[bytes]:
    """The bundle, and its leaves."""
    leaves = [
        leaf_bytes(derived_id("entry", seq), START + timedelta(seconds=seq), "service:replica", event(seq))
        for seq in range(count)
    ]
    checkpoint = Checkpoint(SIGNER.verifier.name, count, root(map(leaf_hash, leaves)))
    with path.open("wb") as file:
        write_bundle(file, [sign_checkpoint(checkpoint, SIGNER)], leaves)
    return leaves


def bare(leaves: list[bytes]) -> None:
    """The hashes alone, level by level."""
    nodes = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(nodes) > 1:
        odd = nodes[len(nodes) & ~1 :]
        pairs = iter(nodes[: len(nodes) & ~1])
        nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)] + odd


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leaves", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    keys = Keys(SIGNER.verifier)
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        path = Path(folder) / "ledger.bundle"
        leaves = write(path, options.leaves)
        size = path.stat().st_size

        def over_file(check: Callable[[io.BufferedReader, Keys], object]) -> None:
            with path.open("rb") as file:
                check(file, keys)

        ways: dict[str, Callable[[], object]] = {
            "bare": lambda: bare(leaves),
            "root": lambda: over_file(root_of_bundle),
            "full": lambda: over_file(verify_bundle),
        }
        measured: Measured = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, work in ways.items():
                measured[name].append(timed(work))
    report(options.leaves, size, measured)


def report(leaves: int, size: int, measured: Measured) -> None:
    """The table, and the same as JSON."""
    result: dict[str, object] = {"benchmark": "verifier", "leaves": leaves, "bundle_bytes": size}
    print(f"{leaves} leaves, {size / leaves:.0f} bytes each; median of {len(measured['full'])}")
    print(f"{'':8}{'wall s':>10}{'cpu s':>10}{'leaves/s of cpu':>18}{'of bare':>10}")
    rates = {}
    for name, times in measured.items():
        wall, processor = (statistics.median(column) for column in zip(*times, strict=True))
        rates[name] = leaves / processor
        result |= {f"{name}_wall_s": round(wall, 3), f"{name}_cpu_s": round(processor, 3)}
        result[f"{name}_leaves_per_cpu_s"] = round(rates[name])
        print(f"{name:8}{wall:>10.2f}{processor:>10.2f}{rates[name]:>18,.0f}{rates[name] / rates['bare']:>10.2f}")
    reached = rates["root"] >= REACH
    result |= {"root_to_bare": round(rates["root"] / rates["bare"], 3), "reach": REACH, "reached": reached}
    result["load_average"] = [round(load, 2) for load in os.getloadavg()]
    print(f"root hashing, to reach: at least {REACH:,} leaves/s: {'yes' if reached else 'no'}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

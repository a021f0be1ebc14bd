"""The same preparation by polars, on one thread: read, keep what is known, part, sort, profile, write, hash."""

import hashlib
import io
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "1"

import polars as pl
from timing import tell

SOURCE, AS_OF, COUNT = Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]).astimezone(UTC), int(sys.argv[3])
OUT = Path(sys.argv[4])


def prepare() -> dict[str, int]:
    """Counts over all partitions."""
    rows = pl.read_parquet(SOURCE / "*.parquet").filter(pl.col("time") < AS_OF)
    numbers = [name for name, kind in rows.schema.items() if kind == pl.Float64 and name != "target"]
    found = {"partitions": 0, "rows": 0, "missing": 0, "bytes": 0}
    for part in rows.partition_by("key", maintain_order=True):
        ordered = part.sort("time")
        profile = ordered.select(
            pl.all().null_count().name.suffix(":missing"),
            pl.col(*numbers, "target").is_infinite().sum().name.suffix(":infinite"),
            pl.col("target").is_nan().sum().alias("nan"),
            pl.col("time").min().alias("first"),
            pl.col("time").max().alias("last"),
        ).row(0, named=True)
        assert not any(value for name, value in profile.items() if name.endswith(":infinite"))
        sink = io.BytesIO()
        ordered.write_parquet(sink, compression="zstd", compression_level=1)
        content = sink.getvalue()
        (OUT / hashlib.sha256(content).hexdigest()).write_bytes(content)
        found["partitions"] += 1
        found["rows"] += len(ordered)
        found["missing"] += sum(value for name, value in profile.items() if name.endswith(":missing"))
        found["bytes"] += len(content)
    return found


tell("polars", prepare, COUNT)

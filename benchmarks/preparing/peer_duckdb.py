"""The same preparation by DuckDB, on one thread: it reads, sorts, profiles and writes one file a partition; hashed."""

import hashlib
import shutil
import sys
from pathlib import Path

import duckdb
from timing import tell

SOURCE, AS_OF, COUNT, OUT = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])


def prepare() -> dict[str, int]:
    """Counts over all partitions."""
    out = OUT / "parts"
    shutil.rmtree(out, ignore_errors=True)
    with duckdb.connect() as db:
        db.execute("SET threads = 1")
        db.execute("SET partitioned_write_max_open_files = 1000")
        db.execute(f"CREATE TABLE rows AS FROM '{SOURCE}/*.parquet' WHERE time < TIMESTAMPTZ '{AS_OF}'")
        columns = db.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'rows'").fetchall()
        numbers = [name for name, kind in columns if kind == "DOUBLE"]
        missing = " + ".join(f'count(*) - count("{name}")' for name, _ in columns)
        infinite = " + ".join(f'coalesce(sum(isinf("{name}")::INT), 0)' for name in numbers)
        profile = db.execute(
            f"SELECT key, count(*), {missing}, {infinite}, min(time), max(time) FROM rows GROUP BY key"  # noqa: S608
        ).fetchall()
        assert not any(row[3] for row in profile)
        db.execute(
            f"COPY (FROM rows ORDER BY key, time) TO '{out}' "
            "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (key))"
        )
    size = 0
    for path in sorted(out.rglob("*.parquet")):
        content = path.read_bytes()
        hashlib.sha256(content).hexdigest()
        size += len(content)
    return {
        "partitions": len(profile),
        "rows": sum(row[1] for row in profile),
        "missing": sum(row[2] for row in profile),
        "bytes": size,
    }


tell("duckdb", prepare, COUNT)

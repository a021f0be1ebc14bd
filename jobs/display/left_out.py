"""What a preparation left out, a line each: partitions with their reasons, rows with the checks they broke."""

from __future__ import annotations

from runtime.pipeline.dataset import PreparedDataset


def tell_left_out(dataset: PreparedDataset, indent: str = "") -> None:
    """Prints nothing for a dataset that holds all it was given."""
    for skipped in dataset.skipped:
        print(f"{indent}skipped {'-'.join(skipped.partition.values())}: {skipped.reason}")
    for what, rows in dataset.broke.most_common():
        print(f"{indent}left out {rows} rows: {what}")

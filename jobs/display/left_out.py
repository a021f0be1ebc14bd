"""What was left out, a line each: of a preparation partitions and rows, of outcomes rows, each with its reason."""

from __future__ import annotations

from runtime.pipeline.dataset import PreparedDataset
from runtime.pipeline.outcomes import SHOWN_NAMES, Left, Tally


def tell_left_out(dataset: PreparedDataset, indent: str = "") -> None:
    """Prints nothing for a dataset that holds all it was given."""
    for skipped in dataset.skipped:
        print(f"{indent}skipped {'-'.join(skipped.partition.values())}: {skipped.reason}")
    for what, rows in dataset.broke.most_common():
        print(f"{indent}left out {rows} rows: {what}")
    for what, rows in (dataset.read.left_out if dataset.read is not None else {}).items():
        print(f"{indent}left out {rows} decisions: {what}")
    if dataset.later:
        print(f"{indent}left out {dataset.later} rows: of a time that is not before the one asked about")


def tell_outcomes(tally: Tally) -> None:
    """Prints how many were handed in, and of each reason to leave a row out how many and the first of them."""
    print(f"{tally.read:,} rows, {tally.handed_in:,} outcomes handed in")
    for reason in Left:
        if rows := tally.left[reason]:
            print(f"  {rows:,} {reason.value}")
            for name in tally.names[reason]:
                print(f"    {name}")
            if rows > SHOWN_NAMES:
                print(f"    and {rows - SHOWN_NAMES:,} more")
    if tally.failed:
        print(f"  {tally.failed:,} not taken by the fleet; hand them in again")
        for failure in tally.failures:
            print(f"    {failure}")

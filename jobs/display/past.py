"""What a monitor would have found, as lines: when, of which model, and what."""

from __future__ import annotations

import math
from typing import Any

Found = dict[str, Any]


def tell_rows(document: Found) -> None:
    """Of rows that were looked at: one line a finding, then how much was looked at."""
    models: dict[str, Found] = document["models"]
    told = [(finding["as_of"], name, finding) for name, found in models.items() for finding in found["findings"]]
    for _, _, finding in sorted(told, key=lambda each: each[:2]):
        print(line_of(finding))
    ticks = sum(len(found["ticks"]) for found in models.values())
    rows = sum(tick["rows"] for found in models.values() for tick in found["ticks"])
    print(f"{len(told)} findings in {rows:,} rows of {len(models)} models, {ticks:,} ticks")
    if untimed := sum(found["untimed"] for found in models.values()):
        print(f"{untimed:,} rows without a readable time were left out")
    for names in sorted({", ".join(found["not_in_the_data"]) for found in models.values()} - {""}):
        print(f"not compared, since the data has no such column: {names}")
    if nobodys := document["without_a_reference"]:
        print(f"{sum(nobodys.values()):,} rows of {len(nobodys)} models have nothing to be compared with")


def tell_records(document: Found) -> None:
    """Of recorded rows: one line a finding and whether it was found then, then what was found then alone."""
    for finding in document["findings"]:
        print(f"{line_of(finding)}{'' if finding['found_then'] else '; not found then'}")
    for finding in document["found_then_alone"]:
        print(f"{line_of(finding)}; found then, not now")
    now, alone = len(document["findings"]), len(document["found_then_alone"])
    then = sum(each["found_then"] for each in document["findings"])
    print(f"{now} findings, {then} of them as then; {alone} found then alone")
    if unreadable := document["unreadable_entries"]:
        print(f"{unreadable} segments or baselines are gone and were not counted")


def line_of(finding: Found) -> str:
    """``2013-03-11 00:00  time-EV-EWR-CVG  data drift: hour up (PSI 0.42), since 2013-03-03; ...``"""
    about = finding["about"].replace("_", " ")
    return f"{finding['as_of'][:16].replace('T', ' ')}  {finding['model']}  {about}: {_told(finding)}"


def _told(finding: Found) -> str:
    if finding.get("breaches"):
        return "; ".join(" ".join(filter(None, (each.get("of"), each.get("told")))) for each in finding["breaches"])
    moved = ", ".join(
        f"{each['feature']} {each.get('direction', 'moved')} (PSI {each['psi']:.2f})"
        for each in finding["features"][:3]
    )
    over = math.exp(min(finding["log_evidence"] - finding["log_threshold"], 50.0))
    return f"{moved}; since {finding['since'][:10]}, evidence {over:.3g} times its threshold"

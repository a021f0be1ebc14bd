"""Who finds an injected drift, how soon, and how often where there is none: after arXiv 2606.07789.

A stream has one drift. Its first alarm from there on is a true positive and ends the stream; each one before is a false
positive; none is a false negative. F1 is over all streams of a row of the table; the normalised delay is the way from
the drift to the alarm over that to the stream's end, of the drifts that were found. Peers get the errors, row
by row, with the configuration of theirs that does best on the other data sets (leave one out); Fleetward gets a check
each 100 rows, once with features, score and errors, once with the errors alone, and is not configured.
"""

import tempfile
from pathlib import Path

import numpy as np
from monitors.environments import ask, python_of
from monitors.streams import KINDS, TRANSITIONS, Stream, datasets, streams

from runtime.statistics.detector import DetectorPlan, DetectorState, update
from runtime.statistics.profile import Profile

TRIALS = 3
CHECK = 100
Alarms = list[list[int]]


def run(seed: int) -> list[dict[str, object]]:
    """The table, and the same as rows."""
    rng = np.random.default_rng(seed)
    site = next((python_of("nannyml").parent.parent / "lib").glob("python3*")) / "site-packages" / "nannyml"
    played = [stream for rows in datasets(site) for stream in streams(rows, TRIALS, rng)]
    found: dict[str, Alarms] = {
        "Fleetward": [_fleetward(stream, tuple(stream.columns)) for stream in played],
        "Fleetward, errors alone": [_fleetward(stream, ("error",)) for stream in played],
    }
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "streams.npy", np.array([stream.errors for stream in played]))
        np.save(Path(folder) / "starts.npy", np.array([stream.start for stream in played]))
        told = ask("river", folder)
    for each in told:
        if "error" in each:
            print(f"river: {each['error']}")
            return [each]
    found |= _chosen(played, told)
    version = str(told[0]["version"])
    table = [_row(name, alarms, played, version) for name, alarms in found.items()]
    _print(table)
    return table


def _fleetward(stream: Stream, names: tuple[str, ...]) -> list[int]:
    """Rows at which the product's detector alarms, up to the first alarm after the drift."""
    profile = Profile.from_columns({name: stream.baseline[name] for name in names})
    plan = DetectorPlan.build(profile)
    state, alarms = DetectorState.fresh(plan), []
    for end in range(CHECK, stream.errors.size + 1, CHECK):
        counts = profile.count({name: stream.columns[name][end - CHECK : end] for name in names})
        state, reading = update(plan, state, counts)
        if reading.alarm:
            alarms.append(end - 1)
            state = DetectorState.fresh(plan)
            if end > stream.start:
                break
    return alarms


def _chosen(played: list[Stream], told: list[dict[str, object]]) -> dict[str, Alarms]:
    """Each peer's alarms on each data set, with its configuration that has the best F1 on the others."""
    found: dict[str, Alarms] = {}
    for name in dict.fromkeys(str(each["detector"]) for each in told):
        tried: list[Alarms] = [each["alarms"] for each in told if each["detector"] == name]  # type: ignore[misc]
        best = {}
        for left in {stream.dataset for stream in played}:
            others = [k for k, stream in enumerate(played) if stream.dataset != left]
            best[left] = max(tried, key=lambda alarms: _f1([alarms[k] for k in others], [played[k] for k in others]))
        found[name] = [best[stream.dataset][k] for k, stream in enumerate(played)]
    return found


def _counted(alarms: Alarms, played: list[Stream]) -> tuple[int, int, list[float]]:
    """(drifts found, false alarms, normalised delays)."""
    false = sum(row < stream.start for rows, stream in zip(alarms, played, strict=True) for row in rows)
    delays = [
        (row - stream.start) / (stream.errors.size - stream.start)
        for rows, stream in zip(alarms, played, strict=True)
        for row in rows
        if row >= stream.start
    ]
    return len(delays), false, delays


def _f1(alarms: Alarms, played: list[Stream]) -> float:
    hits, false, _ = _counted(alarms, played)
    return 2 * hits / (2 * hits + false + len(played) - hits)


def _row(name: str, alarms: Alarms, played: list[Stream], version: str) -> dict[str, object]:
    hits, false, delays = _counted(alarms, played)
    row: dict[str, object] = {
        "detector": name,
        "river": version,
        "streams": len(played),
        "found": hits,
        "false_alarms": false,
        "f1": round(_f1(alarms, played), 3),
        "normalised_delay": round(float(np.mean(delays)), 3) if delays else None,
    }
    for kind in KINDS:
        for transition in TRANSITIONS:
            some = [k for k, stream in enumerate(played) if (stream.kind, stream.transition) == (kind, transition)]
            row[f"f1, {kind}, {transition}"] = round(_f1([alarms[k] for k in some], [played[k] for k in some]), 3)
    return row


def _print(table: list[dict[str, object]]) -> None:
    print(f"{'':26}{'found':>8}{'false':>8}{'F1':>8}{'delay':>8}   F1 by kind, abrupt and gradual")
    for row in table:
        kinds = "  ".join(f"{row[f'f1, {kind}, {way}']:.2f}" for kind in KINDS for way in TRANSITIONS)
        print(
            f"{row['detector']!s:26}{row['found']!s:>8}{row['false_alarms']!s:>8}{row['f1']!s:>8}"
            f"{row['normalised_delay']!s:>8}   {kinds}"
        )

"""Histograms as text: of each feature the baseline's shares beside the window's, one line a bin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

WIDTH = 20
_LABEL = 30


def evidence_lines(evidence: dict[str, Any]) -> Iterator[str]:
    """The shown features of an evidence document, the surest first."""
    yield f"{evidence['rows']:,} rows of the window against {evidence['baseline_rows']:,} of the baseline"
    yield f"moved furthest: {', '.join(evidence['by_movement'])}"
    for feature in evidence["features"]:
        yield ""
        yield from feature_lines(feature)


def feature_lines(feature: dict[str, Any]) -> Iterator[str]:
    """One feature as an evidence document has it: how it moved, and both histograms."""
    direction = feature.get("direction", "moved")
    rates = f"missing {feature['missing_rate']:.1%}, before {feature['baseline_missing_rate']:.1%}"
    matters = "" if feature.get("importance") is None else f", importance {feature['importance']:.0%}"
    yield f"{feature['feature']}: {direction}, JS {feature['js']:.3f}, PSI {feature['psi']:.2f}, {rates}{matters}"
    shares = [_shares(feature[side]) for side in ("baseline", "window")]
    most = max(max(side) for side in shares) or 1.0
    yield f"  {'':{_LABEL}}  {'baseline':{WIDTH + 7}}  window"
    for label, before, now in zip(feature["labels"], *shares, strict=True):
        yield f"  {label[:_LABEL]:{_LABEL}}  {_bar(before, most)}  {_bar(now, most)}".rstrip()
    if feature.get("unseen"):
        named = ", ".join(f"{name} ({count:,})" for name, count in feature["unseen"].items())
        yield f"  names the baseline does not have: {named}"


def reliability_lines(name: str, calibrated: dict[str, Any]) -> Iterator[str]:
    """A calibration as text: of each part of the scores the mean of them, and the share that came to pass as a bar."""
    yield f"{name}: expected calibration error {calibrated['ece']:.4f} of {calibrated['rows']:,} rows"
    yield f"  {'score':>6}  {'came to pass':{WIDTH + 7}}  rows"
    for point in calibrated["curve"]:
        yield f"  {point['score']:6.3f}  {_bar(point['share'], 1.0)}  {point['rows']:,}"


def _bar(share: float, most: float) -> str:
    drawn = "\u2588" * round(WIDTH * share / most)
    return f"{share:6.1%} {drawn:{WIDTH}}"


def _shares(counts: list[int] | list[float]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]

"""How far the monitors of a cluster that is up are behind the ledger."""

from __future__ import annotations

from typing import Any

_PATIENCE_SECONDS = 10.0


def monitors() -> list[dict[str, Any]]:
    """Each monitor with its models and the entries that it has yet to take in; one that does not answer has none."""
    import ray
    from ray.exceptions import GetTimeoutError, RayActorError

    from actors.connect import governor, monitor
    from actors.quiescence import ask
    from runtime.domain.errors import SettingsError

    found = []
    for number in range(ask(governor().monitoring.remote).monitors):
        try:
            standing = ray.get(monitor(number).standing.remote(), timeout=_PATIENCE_SECONDS)
        except (GetTimeoutError, RayActorError, SettingsError):
            found.append({"monitor": number})
            continue
        found.append({"monitor": number, "models": standing.models, "entries_behind": standing.lag})
    return found


def in_words(standings: list[dict[str, Any]]) -> str:
    """``12 entries behind``; of several the one furthest behind, and those that do not answer."""
    behind = [each["entries_behind"] for each in standings if "entries_behind" in each]
    silent = [str(each["monitor"]) for each in standings if "entries_behind" not in each]
    told = f"{max(behind):,} entries behind" if behind else ""
    quiet = f"monitor {', '.join(silent)} does not answer" if silent else ""
    several = f"{len(standings)} of them, the furthest " if len(standings) > 1 and behind else ""
    return "; ".join(filter(None, (several + told, quiet)))

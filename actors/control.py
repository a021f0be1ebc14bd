"""Where the control plane lives: where ``control`` is offered, as cluster.yaml's head does, else on the head."""

from __future__ import annotations

import ray

_OFFERED = "control"
_HEAD = "node:__internal_head__"
_SOME = 0.001


def control_resource() -> dict[str, float]:
    """What an actor of the control plane asks for: a machine that stays, where the ledger's file and key may lie."""
    return {(_OFFERED if _OFFERED in ray.cluster_resources() else _HEAD): _SOME}

"""How many cores the cluster has, which chunks, blocks and trials are made for."""

from __future__ import annotations


def cluster_cores() -> int:
    """At least 1. Needs a Ray that is running."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))

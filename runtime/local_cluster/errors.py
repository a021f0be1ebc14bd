"""What can go wrong with a cluster of one's own."""

from __future__ import annotations

from runtime.domain.errors import FleetwardError


class ClusterFailed(FleetwardError):
    """Ray did not start, or did not stop."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what, self.reason = what, reason

    def __str__(self) -> str:
        return f"the local cluster did not {self.what}: {self.reason}"

"""A Ray of one's own on this machine: started, joined, stopped. See ``cluster`` for how, ``processes`` for the stop."""

from runtime.local_cluster.cluster import LocalCluster, join
from runtime.local_cluster.environment import LOOPBACK, fixed_environment
from runtime.local_cluster.errors import ClusterFailed

__all__ = ["LOOPBACK", "ClusterFailed", "LocalCluster", "fixed_environment", "join"]

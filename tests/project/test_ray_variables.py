"""Variables of Serve that a local cluster sets are variables that Serve reads: a misspelt one is ignored in silence."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from runtime.local_cluster.environment import fixed_environment, ray_environment, serve_environment
from runtime.local_cluster.ports import NAMED


def test_serve_reads_every_variable_of_its_that_a_local_cluster_sets(tmp_path: Path) -> None:
    ports = dict.fromkeys(NAMED, 1)
    names = {*fixed_environment(), *ray_environment(tmp_path, ports), *serve_environment(tmp_path / "serve", ports, 1)}
    spec = importlib.util.find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    source = "".join(path.read_text() for path in (Path(spec.origin).parent / "serve" / "_private").glob("*.py"))
    ours = sorted(name for name in names if name.startswith("RAY_SERVE_"))
    if len(ours) < 2:
        pytest.skip("no HAProxy here, and so nothing to set for it")
    assert [name for name in ours if name not in source] == []

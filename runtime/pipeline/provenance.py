"""What a version was made with: the code's revision and the libraries that decide its bytes."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

LIBRARIES = ("numpy", "onnxruntime", "pandas", "pyarrow", "ray", "scikit-learn", "scipy", "skl2onnx", "skops")
OPTIONAL = ("lightgbm", "torch", "xgboost", "xgboost-cpu")
"""Recorded where they are installed."""
REVISION = "FLEETWARD_CODE_REVISION"
"""Set for jobs, whose working directory travels without its git history."""


def environment() -> dict[str, str]:
    """Python, platform and library versions."""
    found = {"python": platform.python_version(), "platform": platform.platform(terse=True)}
    present = [name for name in OPTIONAL if any(importlib.metadata.distributions(name=name))]
    return found | {name: importlib.metadata.version(name) for name in (*LIBRARIES, *present)}


def code_revision() -> str:
    """The git commit of this code, with ``+changed`` if files differ from it; ``unknown`` outside git."""
    if given := os.environ.get(REVISION):
        return given
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return "unknown"
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + ("+changed" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()

"""The environment of a process that is given an artifact: no credential of this one is in it, and one thread."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_KEPT = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")


def plain_environment() -> dict[str, str]:
    """Imports what this process imports, from the same places and the folder that it is in."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    path = [entry for entry in sys.path if entry]
    environment["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), *path])
    return environment

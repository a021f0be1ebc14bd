"""Which way a process counts, and what it does where nothing can be compiled."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runtime.statistics.counting import CompiledLoops, NumpyLoops, loops, use_compiled, warm_up
from runtime.statistics.profile import Profile

ROOT = Path(__file__).resolve().parents[3]
COUNT = """
import sys
from runtime.statistics.profile import Profile
from runtime.statistics.counting import loops, use_compiled
assert "numba" not in sys.modules
use_compiled()
print(type(loops()).__name__, Profile.from_columns({"delay": [1.0, None, 4.0]}).count({"delay": [2.0, 9.0]}).values)
"""


def count_elsewhere(**environment: str) -> str:
    """What a process of its own says that counts two rows."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_process_counts_with_numpy_until_it_asks_for_more_and_then_alike() -> None:
    assert count_elsewhere() == "CompiledLoops [0 2 0]"


def test_where_numba_must_not_compile_numpy_counts() -> None:
    assert count_elsewhere(NUMBA_DISABLE_JIT="1") == "NumpyLoops [0 2 0]"


@pytest.mark.slow
def test_where_compiled_code_cannot_be_kept_it_is_compiled_anew() -> None:
    """As in read-only site-packages of a user without a home."""
    assert count_elsewhere(NUMBA_CACHE_LOCATOR_CLASSES="ZipCacheLocator") == "CompiledLoops [0 2 0]"


def test_warming_up_happens_beside_and_once() -> None:
    thread = warm_up()
    assert warm_up() is thread
    thread.join(timeout=120)
    assert isinstance(loops(), CompiledLoops)
    assert use_compiled() is loops()


def test_a_profile_counts_alike_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    columns: dict[str, np.ndarray] = {
        "delay": rng.normal(size=5000),
        "narrow": rng.normal(size=5000).astype(np.float32),
    }
    profile = Profile.from_columns(columns)
    monkeypatch.setattr("runtime.statistics.counting._loops", NumpyLoops())
    plain = profile.count(columns)
    monkeypatch.setattr("runtime.statistics.counting._loops", CompiledLoops())
    assert profile.count(columns) == plain

"""For every test: the repository's root, and an environment free of this machine's own Fleetward."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(autouse=True)
def no_inherited_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's FLEETWARD_* variables must not decide a test."""
    for name in [name for name in os.environ if name.startswith("FLEETWARD_")]:
        monkeypatch.delenv(name)

"""What tests of power losses share."""

import shutil
from pathlib import Path

import pytest

from tests.crash.disk import compiled


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that traces what a process writes."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler to build the tracing library with")
    return compiled(tmp_path_factory.mktemp("shim"))

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.domain.fold import fold
from runtime.ledger.verify import verify_log
from tests.unit.governance.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    assert fold(desk.log.entries()) == desk.writer.state, "the state is what the ledger says"
    assert verify_log(desk.url).size == desk.writer.state.size
    desk.log.close()

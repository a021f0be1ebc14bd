"""The table of moves, written a second time: whatever is not in it is refused."""

from itertools import product

import pytest

from runtime.domain.errors import IllegalMove
from runtime.domain.lifecycle import Move, Status, after

LEGAL = {
    "registered": {"evaluate": "evaluated", "refuse": "refused"},
    "evaluated": {"refuse": "refused", "request approval": "awaiting_approval", "approve": "approved"},
    "refused": {},
    "awaiting_approval": {"approve": "approved", "refuse": "refused", "request approval": "awaiting_approval"},
    "approved": {
        "renew": "approved",
        "refuse": "refused",
        "shadow": "shadow",
        "canary": "canary",
        "promote": "champion",
        "roll back": "rolled_back",
    },
    "shadow": {"renew": "shadow", "canary": "canary", "promote": "champion", "roll back": "rolled_back"},
    "canary": {"renew": "canary", "canary": "canary", "promote": "champion", "roll back": "rolled_back"},
    "champion": {"renew": "champion", "supersede": "superseded", "roll back": "rolled_back"},
    "superseded": {"renew": "superseded", "restore": "champion"},
    "rolled_back": {},
    "retired": {},
}
MOVES = {(status, move): target for status, moves in LEGAL.items() for move, target in moves.items()} | {
    (status, "retire"): "retired" for status in LEGAL if status != "retired"
}


def test_the_table_speaks_of_every_status() -> None:
    assert set(LEGAL) == {status.value for status in Status}
    assert {move for _, move in MOVES} == {move.value for move in Move}


@pytest.mark.parametrize(("status", "move", "target"), [(*pair, target) for pair, target in MOVES.items()])
def test_every_legal_move_leads_where_the_table_says(status: str, move: str, target: str) -> None:
    assert after("m", 1, Status(status), Move(move)) is Status(target)


@pytest.mark.parametrize(
    ("status", "move"), [pair for pair in product(Status, Move) if (pair[0].value, pair[1].value) not in MOVES]
)
def test_every_other_move_is_refused(status: Status, move: Move) -> None:
    with pytest.raises(IllegalMove, match=f"it is {status.value}; legal moves are: "):
        after("m", 1, status, move)


def test_a_refusal_names_the_moves_that_are_legal() -> None:
    with pytest.raises(IllegalMove) as caught:
        after("m", 7, Status.SUPERSEDED, Move.PROMOTE)
    assert str(caught.value) == "promote m version 7 refused: it is superseded; legal moves are: renew, restore, retire"

"""Rows that wait for outcomes are bounded: the oldest are given up, and it is told how many."""

from runtime.monitoring.pairs import Waiting, WaitingRows


def test_the_oldest_rows_are_given_up_first_and_counted() -> None:
    rows = WaitingRows(limit=2)
    for number in range(5):
        rows.served(("id", number), 1, 100.0)
    assert (len(rows), rows.given_up) == (2, 3)
    assert rows.outcome(("id", 0)) is None
    assert rows.outcome(("id", 4)) == Waiting(1, ((1, 100.0),))


def test_a_row_is_judged_once_and_known_for_a_while() -> None:
    rows = WaitingRows(limit=10, judged_limit=1)
    for number in (0, 1):
        rows.served(("id", number), 1, 100.0)
        assert rows.outcome(("id", number)) is not None
        assert rows.outcome(("id", number)) is None
    assert (rows.knows(("id", 1)), rows.has_judged(("id", 1))) == (True, True)
    assert not rows.knows(("id", 0)), "only the newest are remembered"


def test_a_shadow_without_an_answer_does_not_wait_for_ever() -> None:
    rows = WaitingRows(limit=2)
    for number in range(4):
        rows.beside(("id", number), 2, 90.0, (2, 0))
    for number in range(4):
        rows.served(("id", number), 1, 100.0)
        row = rows.outcome(("id", number))
        assert row is not None
        assert (row.of(2) is None) == (number < 2)


def test_a_shadow_of_a_row_that_was_judged_is_dropped() -> None:
    rows = WaitingRows()
    rows.served(("id", 0), 1, 100.0)
    rows.outcome(("id", 0))
    rows.beside(("id", 0), 2, 90.0, (2, 0))
    rows.served(("id", 0), 1, 100.0)
    row = rows.outcome(("id", 0))
    assert row is not None
    assert row.of(2) is None

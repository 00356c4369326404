"""Following rows: each once, late ones too, whatever the clock of their keys does."""

from __future__ import annotations

from cli.window import LATE_S, Window


class Watched:
    """A window on a table whose rows are (key, name), and this machine's clock."""

    def __init__(self) -> None:
        self.clock_s = 0.0
        self.rows: list[int] = []
        self.window = Window(0, now=lambda: self.clock_s)

    def look(self, later_s: float) -> list[int]:
        self.clock_s += later_s
        above = [row for row in self.rows if row > self.window.floor]
        found = [row for row in above if self.window.is_new(row, str(row))]
        self.window.turn()
        return found


def test_each_row_comes_once_and_a_late_one_is_not_missed() -> None:
    watched = Watched()
    watched.rows = [10, 30]
    assert watched.look(1) == [10, 30]
    assert watched.look(1) == []
    watched.rows.append(20)  # committed after 30, with a key from before
    assert watched.look(LATE_S / 2) == [20]
    watched.rows.append(25)
    assert watched.look(LATE_S / 2 - 2) == [25]


def test_what_was_seen_long_ago_is_neither_asked_for_nor_remembered() -> None:
    watched = Watched()
    for number in range(1, 1_001):
        watched.rows.append(number)
        assert watched.look(1) == [number]
    assert watched.window.floor >= 1_000 - LATE_S - 2
    assert len(watched.window.seen) <= LATE_S + 2


def test_keys_that_jump_ahead_hide_nothing_that_was_under_way() -> None:
    """`paywright clock advance` between the id and the commit of a row."""
    watched = Watched()
    watched.rows = [10, 1_000_000]
    assert watched.look(1) == [10, 1_000_000]
    watched.rows.append(11)
    assert watched.look(5) == [11]

import os

import pytest

from cli.progress import PipeProgress, PlainProgress, play


@pytest.fixture
def pipe():
    read_end, write_end = os.pipe()
    return read_end, PipeProgress(write_end)


def test_steps_are_shown_at_the_other_end_and_the_last_message_is_its_outcome(pipe, capsys):
    read_end, progress = pipe
    progress.waiting("PostgreSQL")
    progress.done("PostgreSQL on port 1")
    progress.note("port 2 is taken")
    progress.close("failed", "It did not start.")
    with os.fdopen(read_end) as opened:
        outcomes = [play(line, PlainProgress()) for line in opened]
    assert outcomes == [None, None, None, ("failed", "It did not start.")]
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert shown == ["0.0 s PostgreSQL on port 1", "port 2 is taken"]


def test_a_reader_that_went_away_does_not_stop_the_start(pipe):
    read_end, progress = pipe
    os.close(read_end)
    progress.done("PostgreSQL on port 1")
    progress.close("ready")

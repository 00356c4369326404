"""`paywright logs` as a person uses it: followed, in a terminal, and read in part."""

import json
import os
import re
import subprocess
import sys
import threading

from cli.addressed import log_of
from cli.paths import CHECKOUT
from emulator.services.process import bound_log
from tests.unit.cli.log_lines import TRACE, line_of, said, write


def test_following_ends_with_ctrl_c_and_shows_what_comes(home, tmp_path):
    write(home, line_of(1, "platform", "first"))
    env = {**os.environ, "PAYWRIGHT_HOME": str(home.folder)}
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "logs", "-f", "--no-json"],
        env=env,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        killer = threading.Timer(60, process.kill)
        killer.start()
        assert process.stdout is not None
        assert process.stdout.readline().endswith("first\n")
        write(home, line_of(2, "platform", "second"))
        assert process.stdout.readline().endswith("second\n")
        bound_log(log_of(home), 10)
        write(home, line_of(3, "platform", "third"))
        assert process.stdout.readline().endswith("third\n")
        process.send_signal(2)
        output, errors = process.communicate()
        killer.cancel()
    assert (process.returncode, output, errors) == (130, "", "")


def test_a_terminal_has_colours_and_short_lines(home):
    write(home, said(1, "relay", "req-r", "Events relayed", trace_ids=[TRACE]))
    master, slave = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "logs"],
        env={**os.environ, "PAYWRIGHT_HOME": str(home.folder), "TERM": "xterm"},
        cwd=CHECKOUT,
        stdout=slave,
        check=False,
    )
    os.close(slave)
    shown = os.read(master, 4096).decode()
    os.close(master)
    assert done.returncode == 0
    assert re.fullmatch(
        r"\x1b\[2m20:00:01\.000\x1b\[0m \x1b\[\d+m +relay\x1b\[0m  Events relayed\r\n", shown
    )


def test_a_reader_that_goes_away_is_no_error(home):
    write(home, *(line_of(1, "platform", "x" * 1000) for _ in range(1000)))
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m cli.main logs -n 1000 | head -n 1"],
        env={**os.environ, "PAYWRIGHT_HOME": str(home.folder)},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["message"] == "x" * 1000

"""A signal ends what waits for it, at whatever moment it comes."""

from __future__ import annotations

import subprocess
import sys

from tests.waiting import PATIENCE_S

_OFTEN = """
import os, signal, threading, time
from cli.signals import until_signal

def end() -> None:
    time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGTERM)

for _ in range(300):
    with until_signal() as stop:
        threading.Thread(target=end).start()
        while not stop.wait(0):
            pass
print("all were heard")
"""


def test_a_signal_is_heard_at_whatever_moment_it_comes() -> None:
    """In a process of its own: one that is not heard would keep its waiter for ever."""
    done = subprocess.run(
        [sys.executable, "-c", _OFTEN],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (done.stdout, done.returncode) == ("all were heard\n", 0), done.stderr

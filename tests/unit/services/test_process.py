import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.services import ServiceError
from emulator.services.process import Identity, bound_log, spawn
from tests.waiting import until

_ENV = {"PATH": os.environ["PATH"]}


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "part.log"


def test_output_goes_to_the_log_and_only_the_last_run_is_its_tail(log):
    log.parent.mkdir()
    log.write_text("an earlier run\n")
    child = spawn("part", _python("print('hello'); print('bye')"), log=log, env=_ENV)
    until(lambda: not child.running())
    child.stop()
    assert child.log_tail() == ["hello", "bye"]
    assert log.read_text().startswith("an earlier run\n")


def test_standard_input_is_given(log):
    child = spawn("part", _python("print(input())"), log=log, env=_ENV, stdin=b"a secret\n")
    until(lambda: not child.running())
    child.stop()
    assert child.log_tail() == ["a secret"]


def test_a_program_that_is_not_there_says_so_in_its_log(log):
    child = spawn("part", ["/no/such/program"], log=log, env=_ENV)
    until(lambda: not child.running())
    child.stop()
    assert child.log_tail() == ["/no/such/program: No such file or directory"]


def test_a_log_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match=r"cannot be written: (Not a directory|File exists)"):
        spawn("part", ["/bin/true"], log=tmp_path / "file" / "part.log", env=_ENV)


def test_stop_asks_first_and_then_kills(log):
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True); time.sleep(60)\n"
    )
    child = spawn("part", _python(stubborn), log=log, env=_ENV)
    until(child.log_tail)
    start = time.monotonic()
    child.stop(grace_s=0.2)
    assert 0.2 <= time.monotonic() - start < 5
    assert not child.running()


def test_stop_ends_what_is_left_of_the_group(log):
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True); time.sleep(60)\n"
    )
    child = spawn("part", _python(parent), log=log, env=_ENV)
    until(child.log_tail)
    grandchild = Identity.of(int(child.log_tail()[0]))
    assert grandchild is not None
    child.stop()
    assert grandchild.wait_gone(5)


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_children_die_with_a_parent_that_is_killed(log):
    code = (
        "import time; from pathlib import Path; from emulator.services.process import spawn\n"
        f"child = spawn('part', ['/bin/sleep', '60'], log=Path({str(log)!r}), env={{}})\n"
        "print(child.identity.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(_python(code), stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = Identity.of(int(parent.stdout.readline()))
        assert child is not None
        # The launcher must have become the program before its parent dies.
        command = Path(f"/proc/{child.pid}/cmdline")
        until(lambda: command.read_bytes().startswith(b"/bin/sleep"))
        parent.kill()
    assert child.wait_gone(5)


def test_a_recycled_pid_is_never_signalled(log):
    child = spawn("part", ["/bin/sleep", "60"], log=log, env=_ENV)
    someone_else = replace(child.identity, started="another boot:1")
    assert not someone_else.alive()
    assert not someone_else.send(signal.SIGKILL)
    someone_else.stop()
    assert child.running()
    child.stop()
    assert not child.identity.send(signal.SIGTERM)


def test_a_zombie_is_not_alive(log):
    child = spawn("part", ["/bin/true"], log=log, env=_ENV)
    until(lambda: not child.running())
    assert Identity.of(child.identity.pid) is None
    child.stop()


def test_a_log_stays_within_its_bound(log):
    log.parent.mkdir()
    with log.open("ab") as held:
        held.write(b"old\n" * 1000)
        held.flush()
        bound_log(log, limit_bytes=400)
        held.write(b"new\n")
    assert log.read_bytes() == b"new\n"
    assert log.with_name("part.log.1").read_bytes() == b"old\n" * 100
    bound_log(log, limit_bytes=400)
    assert log.read_bytes() == b"new\n"

import json
import os
import stat

import pytest

from cli.errors import Failure
from cli.paths import Home, read_private, write_private
from cli.state import Lock, State, Urls, clean_leftovers, require_running, running
from emulator.services.process import Identity, spawn

_URLS = Urls(
    "http://g", "http://l", "http://a", "postgresql://d", "redis://v", "http://r", "c0ffee"
)


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.make()
    return made


@pytest.fixture
def me():
    identity = Identity.of(os.getpid())
    assert identity is not None
    return identity


def test_secrets_are_made_once_and_only_their_owner_reads_them(home):
    first = home.secret("valkey")
    assert len(first) == 64
    assert home.secret("postgresql") != first
    assert home.secret("valkey") == first
    assert stat.S_IMODE((home.folder / "secrets.json").stat().st_mode) == 0o600


def test_a_broken_file_is_said(home):
    home.demo_file.write_text("{")
    with pytest.raises(Failure, match=r"^The file .*demo\.json cannot be read: "):
        read_private(home.demo_file)
    home.demo_file.write_text("[]")
    with pytest.raises(Failure, match="holds no JSON object"):
        read_private(home.demo_file)


def test_a_file_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(Failure, match="cannot be written: No such file or directory"):
        write_private(tmp_path / "no" / "where.json", {})


def test_a_home_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match="cannot be made: (Not a directory|File exists)"):  # noqa: RUF043
        Home(tmp_path / "file" / "home").make()


def test_the_home_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("PAYWRIGHT_HOME", str(tmp_path))
    assert Home.find().folder == tmp_path


def test_a_state_is_read_as_it_was_written(home, me):
    State(me, {"Valkey": me}, _URLS).save(home)
    assert State.load(home) == State(me, {"Valkey": me}, _URLS)
    assert require_running(home) == _URLS


def test_nothing_runs_without_a_state_or_with_a_dead_supervisor(home, me):
    assert running(home) is None
    State(Identity(me.pid, "an earlier process"), {}, _URLS).save(home)
    assert running(home) is None
    with pytest.raises(Failure, match="is not running: start it with `paywright up`"):
        require_running(home)


def test_a_system_that_is_starting_is_not_ready(home, me):
    State(me).save(home)
    with pytest.raises(Failure, match="is starting and not ready yet"):
        require_running(home)


def test_a_state_that_is_none_is_said(home):
    home.state_file.write_text(json.dumps({"supervisor": 1}))
    with pytest.raises(Failure, match="it is not a state"):
        State.load(home)


def test_leftovers_are_ended_but_never_a_process_that_only_has_their_pid(home, me):
    gone = Identity(me.pid, "an earlier process")
    left = spawn("part", ["/bin/sleep", "60"], log=home.logs / "part.log", env={})
    bystander = Identity(me.pid, "an earlier process")
    State(gone, {"part": left.identity, "other": bystander}).save(home)
    assert clean_leftovers(home) == ["part"]
    assert not left.running()
    left.stop()
    assert clean_leftovers(home) == []
    assert State.load(home) is None


def test_a_lock_is_held_by_one(home):
    first, second = Lock(home.lock_file), Lock(home.lock_file)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()

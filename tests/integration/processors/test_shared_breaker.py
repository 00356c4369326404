"""All execution environments share a breaker through Valkey, and do without when it is away."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from emulator.services import Valkey
from paywright.cache import Cache
from paywright.processors.base import Unavailable, Unknown
from paywright.processors.breaker import CircuitBreaker, StateAway, View
from paywright.processors.shared_breaker import SharedState

_ENVIRONMENT = """
import sys
from paywright.cache import Cache
from paywright.processors.base import Unavailable, Unknown
from paywright.processors.breaker import CircuitBreaker
from paywright.processors.shared_breaker import SharedState

def fail():
    raise Unknown

url, prefix, failures = sys.stdin.read().split()
breaker = CircuitBreaker(SharedState(Cache(url, timeout_ms=5000, prefix=prefix), "p"))
said = []
for _ in range(int(failures)):
    try:
        breaker.call(fail)
    except (Unknown, Unavailable) as error:
        said.append(type(error).__name__)
try:
    breaker.check()
    said.append("closed")
except Unavailable:
    said.append("open")
print(*said)
"""


class Watch:
    """A monotonic clock that a test moves, so that views of the state grow old."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def prefix() -> str:
    return f"{uuid.uuid4().hex}:"


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def new_cache(prefix: str) -> Iterator[Callable[[str], Cache]]:
    made: list[Cache] = []

    def make(url: str) -> Cache:
        made.append(Cache(url, timeout_ms=5000, prefix=prefix))
        return made[-1]

    yield make
    for cache in made:
        cache.close()


@pytest.fixture
def new_breaker(
    new_cache: Callable[[str], Cache], valkey_url: str, watch: Watch
) -> Callable[[], CircuitBreaker]:
    return lambda: CircuitBreaker(SharedState(new_cache(valkey_url), "p"), monotonic=watch)


@pytest.fixture
def change(valkey_url: str, prefix: str) -> Iterator[Callable[..., None]]:
    """Sets fields of the state in Valkey: what waiting would do."""
    with redis.Redis.from_url(valkey_url) as client:
        yield lambda **fields: client.hset(f"{prefix}breaker:p", mapping=fields)


def fail() -> None:
    raise Unknown


def fail_times(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unknown):
            breaker.call(fail)


def is_open(breaker: CircuitBreaker) -> bool:
    try:
        breaker.check()
    except Unavailable:
        return True
    return False


def test_processes_open_it_together(valkey_url: str, prefix: str) -> None:
    def environment(failures: int) -> str:
        done = subprocess.run(
            [sys.executable, "-c", _ENVIRONMENT],
            input=f"{valkey_url} {prefix} {failures}",
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()

    assert environment(3) == "Unknown Unknown Unknown closed"
    assert environment(3) == "Unknown Unknown Unavailable open"
    assert environment(0) == "open"
    assert environment(1) == "Unavailable open"


def test_one_breakers_failures_open_anothers(
    new_breaker: Callable[[], CircuitBreaker], watch: Watch
) -> None:
    one, other = new_breaker(), new_breaker()
    assert not is_open(other)
    fail_times(one, 5)
    assert is_open(one)
    assert not is_open(other), "its view is younger than a second"
    watch.at += 1
    assert is_open(other)
    assert is_open(new_breaker())


def test_of_many_one_tries(
    new_breaker: Callable[[], CircuitBreaker], change: Callable[..., None], watch: Watch
) -> None:
    breakers = [new_breaker() for _ in range(8)]
    fail_times(breakers[0], 5)
    watch.at += 1
    change(open_until=1)
    watch.at += 1
    asked: list[int] = []
    start, others_were_refused = threading.Barrier(len(breakers)), threading.Semaphore(0)

    def ask(number: int) -> str:
        def request() -> None:
            asked.append(number)
            for _ in range(len(breakers) - 1):
                assert others_were_refused.acquire(timeout=30)

        start.wait(30)
        try:
            breakers[number].call(request)
        except Unavailable:
            others_were_refused.release()
            return "refused"
        return "answered"

    with ThreadPoolExecutor(len(breakers)) as pool:
        said = list(pool.map(ask, range(len(breakers))))
    assert sorted(said) == ["answered"] + ["refused"] * 7
    assert len(asked) == 1

    watch.at += 1
    assert breakers[3].call(lambda: "the second answer closes it") is not None
    watch.at += 1
    for breaker in breakers:
        breaker.call(lambda: None)
    fail_times(breakers[0], 4)
    assert not is_open(breakers[0]), "the old failures are forgotten"


def test_a_try_that_fails_opens_it_again(
    new_breaker: Callable[[], CircuitBreaker], change: Callable[..., None], watch: Watch
) -> None:
    one, other = new_breaker(), new_breaker()
    fail_times(one, 5)
    change(open_until=1)
    watch.at += 1
    one.call(lambda: None)
    fail_times(one, 1)
    assert is_open(one)
    assert is_open(other)
    change(open_until=1)
    watch.at += 1
    other.call(lambda: None)
    watch.at += 1
    change(successes=0)
    assert one.call(lambda: "the first answer of this round") is not None


def test_a_try_that_tells_nothing_is_given_up(
    new_breaker: Callable[[], CircuitBreaker], change: Callable[..., None], watch: Watch
) -> None:
    one, other = new_breaker(), new_breaker()
    fail_times(one, 5)
    change(open_until=1)
    watch.at += 1

    def crash() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.call(crash)
    assert is_open(other)
    change(probe_until=1)
    watch.at += 1
    other.call(lambda: None)


def test_others_answers_break_a_row_of_failures(
    new_breaker: Callable[[], CircuitBreaker], change: Callable[..., None], watch: Watch
) -> None:
    one, other = new_breaker(), new_breaker()
    fail_times(one, 4)
    change(began=1)  # long ago
    other.call(lambda: None)
    watch.at += 0.5
    other.check()
    watch.at += 0.5
    other.check()
    fail_times(one, 4)
    assert not is_open(one)
    fail_times(one, 1)
    assert is_open(one)


def test_an_answer_from_before_breaks_nothing(
    new_breaker: Callable[[], CircuitBreaker], watch: Watch
) -> None:
    breakers = [new_breaker() for _ in range(5)]
    for breaker in breakers:
        breaker.call(lambda: None)
    watch.at += 3600
    for breaker in breakers:
        fail_times(breaker, 1)
    watch.at += 1
    assert all(is_open(breaker) for breaker in breakers)


def test_it_is_forgotten_when_nobody_asks(
    new_breaker: Callable[[], CircuitBreaker], valkey_url: str, prefix: str
) -> None:
    fail_times(new_breaker(), 5)
    with redis.Redis.from_url(valkey_url) as client:
        assert 0 < client.pttl(f"{prefix}breaker:p") <= 600_000


def test_with_valkey_killed_each_goes_by_what_it_saw(
    new_cache: Callable[[str], Cache], watch: Watch
) -> None:
    with tempfile.TemporaryDirectory(prefix="paywright-breaker-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Valkey(
            data_dir=folder / "valkey",
            log=folder / "valkey.log",
            password="x" * 32,
            preferred_port=0,
        )
        server.start()
        server.wait_ready()
        try:
            states = [SharedState(new_cache(server.url), "p") for _ in range(2)]
            one, other = (CircuitBreaker(state, monotonic=watch) for state in states)
            assert not is_open(other)
            fail_times(one, 5)
            assert server.child is not None
            server.child.identity.send(signal.SIGKILL)
            assert server.child.identity.wait_gone(10)
            watch.at += 1
            with pytest.raises(StateAway):
                states[0].look(None)
            assert is_open(one)
            assert not is_open(other), "it has seen no failure"
            assert other.call(lambda: "answered") == "answered"
            fail_times(other, 5)
            assert is_open(other)
            watch.at += 30
            for _ in range(2):
                other.call(lambda: None)
            assert not is_open(other)
        finally:
            server.stop()


def test_of_two_that_may_try_one_is_granted(
    new_cache: Callable[[str], Cache], valkey_url: str, change: Callable[..., None]
) -> None:
    state = SharedState(new_cache(valkey_url), "p")
    for _ in range(5):
        state.failed(None, "")
    early = state.take_probe("early")
    assert (early.closed, early.wait_s > 0) == (False, True)
    change(open_until=1)
    assert state.take_probe("one") == View(closed=False, wait_s=0)
    assert state.take_probe("other").wait_s > 0
    assert state.probe_answered("other").wait_s > 0, "that was not the one"
    assert state.probe_answered("one") == View(closed=False, wait_s=0)


def test_a_failure_from_before_it_opened_keeps_it_open_no_longer(
    new_cache: Callable[[str], Cache], valkey_url: str, change: Callable[..., None]
) -> None:
    state = SharedState(new_cache(valkey_url), "p")
    for _ in range(5):
        state.failed(None, "")
    change(open_until=1)
    assert state.failed(None, "") == View(closed=False, wait_s=0)

"""Commands to a real Valkey, and what happens when it goes away."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
import redis

from paywright.cache import Away, Cache


@pytest.fixture
def cache(valkey_url: str) -> Iterator[Cache]:
    opened = Cache(valkey_url, timeout_ms=5_000, prefix=uuid.uuid4().hex)
    yield opened
    opened.close()


@pytest.fixture
def other(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        yield client


def test_values_come_back_as_they_went(cache: Cache, other: redis.Redis) -> None:
    for value in (b"", b"a\r\nb", bytes(range(256)) * 1024, "ü"):
        cache.set(cache.key("value"), value, ttl_ms=60_000)
        expected = value.encode() if isinstance(value, str) else value
        assert cache.get(cache.key("value")) == other.get(cache.key("value")) == expected
    assert 0 < other.pttl(cache.key("value")) <= 60_000
    assert cache.get(cache.key("nothing")) is None


def test_scripts_run_whether_the_server_knows_them_or_not(cache: Cache, other: redis.Redis) -> None:
    source = f"return {{KEYS[1], ARGV[1], '{uuid.uuid4()}'}}"
    for _ in range(2):
        assert cache.script(source, ["key"], [7])[:2] == [b"key", b"7"]
    other.script_flush()
    assert cache.script(source, ["key"], [7])[:2] == [b"key", b"7"]


def test_what_is_posted_is_done_and_its_replies_are_nobody_elses(cache: Cache) -> None:
    key = cache.key("counter")
    for expected in (2, 4, 6):
        cache.post(("INCR", key), ("INCR", key), ("GET", "no", "such", "command"))
        assert cache.get(key) == str(expected).encode()


def test_an_error_reply_is_away_and_the_next_command_is_answered(cache: Cache) -> None:
    with pytest.raises(Away, match="WRONGTYPE"):
        cache.send(("LPUSH", cache.key("list"), 1), ("INCR", cache.key("list")))
    assert cache.send(("LLEN", cache.key("list"))) == [1]


@pytest.mark.parametrize("after_post", [False, True])
def test_a_connection_that_the_server_closed_is_opened_anew(
    cache: Cache, other: redis.Redis, after_post: bool
) -> None:
    (first,) = cache.send(("CLIENT", "ID"))
    if after_post:
        cache.post(("PING",))
    other.client_kill_filter(_id=str(first))
    (second,) = cache.send(("CLIENT", "ID"))
    assert second != first


def test_a_server_that_falls_silent_is_away_and_left_alone_for_a_while() -> None:
    asked = threading.Semaphore(0)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.ExitStack() as open_connections, contextlib.suppress(OSError):
                while True:
                    open_connections.enter_context(listener.accept()[0])
                    asked.release()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        cache = Cache(f"redis://127.0.0.1:{listener.getsockname()[1]}", timeout_ms=100)
        began = time.monotonic()
        with pytest.raises(Away):
            cache.get("key")
        assert time.monotonic() - began >= 0.1
        with pytest.raises(Away, match="a moment ago"):
            cache.get("key")
        assert asked.acquire(timeout=60)
        assert not asked.acquire(blocking=False)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a_wrong_password_is_away(valkey_url: str) -> None:
    wrong = valkey_url.replace("redis://:", "redis://:wrong")
    with pytest.raises(Away):
        Cache(wrong).get("key")


def test_a_url_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="redis://"):
        Cache("http://127.0.0.1")

"""What an authorization says to PostgreSQL and Valkey, to be said again without a thought.

`python -m tests.bench.payment_messages FILE API_KEY PAYMENT_METHOD`, in the environment of the
function `authorize`, has its real handler serve two requests and keeps all that it said. What
differs between the two is something new each time: ids, keys, tokens, times. Long texts stay as
they were.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from paywright.cache.wire import Wire
from paywright.db.prepared import Session

_HANDLER = Path(__file__).parents[2] / "functions" / "authorize" / "app.py"
_HEARD = ((Session, "execute"), (Session, "transaction"), (Wire, "send"), (Wire, "post"))
_WARM_UPS = 3
_LONGEST_KEY = 200
_RECORD_S = 60


@dataclass(frozen=True)
class Message:
    """A call of a method of `Session` or `Wire`, and its arguments."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Pair:
    """A value in both recordings, where it differed."""

    one: Any
    other: Any


@dataclass(frozen=True)
class Script:
    """Messages whose arguments hold a `Pair` wherever something new belongs."""

    messages: tuple[Message, ...]

    def anew(self, new_id: Callable[[], uuid.UUID]) -> Iterator[Message]:
        """The messages of another authorization."""
        made: dict[Any, Any] = {}

        def fill(value: Any) -> Any:
            if isinstance(value, Pair):
                if value.one not in made:
                    made[value.one] = _another(value, new_id)
                return made[value.one]
            if isinstance(value, tuple | list):
                return type(value)([fill(each) for each in value])
            if isinstance(value, dict):
                return {name: fill(each) for name, each in value.items()}
            return value

        for message in self.messages:
            yield Message(message.method, fill(message.arguments))


def _another(pair: Pair, new_id: Callable[[], uuid.UUID]) -> Any:
    """A value like these two: ids are made as the platform makes them, names are random."""
    value = pair.one
    if isinstance(value, uuid.UUID):
        return new_id()
    if isinstance(value, int):  # milliseconds
        return time.time_ns() // 1_000_000
    same = sum(
        1 for _ in takewhile(lambda both: both[0] == both[1], zip(value, pair.other, strict=False))
    )
    random = os.urandom(len(value)).hex()[: len(value) - same]
    return value[:same] + (random if isinstance(value, str) else random.encode())


def compared(one: Any, other: Any) -> Any:
    """The first of two alike values, with a `Pair` wherever the other is to be made anew."""
    if isinstance(one, Mapping):
        return {name: compared(value, other[name]) for name, value in one.items()}
    if isinstance(one, tuple | list):
        return type(one)(compared(*pair) for pair in zip(one, other, strict=True))
    if one == other or not isinstance(one, uuid.UUID | int | str | bytes):
        return one  # a time of the database's may be the same twice
    if isinstance(one, str | bytes) and len(one) > _LONGEST_KEY:
        return one
    return Pair(one, other)


def record(path: Path, environment: Mapping[str, str], payer: tuple[str, str]) -> None:
    """Write a script to a file, for its owner only: it names servers and their passwords."""
    subprocess.run(
        [sys.executable, "-m", "tests.bench.payment_messages", str(path), *payer],
        env={**environment, "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
        timeout=_RECORD_S,
    )


def _recorded(api_key: str, payment_method: str) -> Script:
    spec = importlib.util.spec_from_file_location("authorize_app", _HANDLER)
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = app  # where its models look for their names
    spec.loader.exec_module(app)
    event = _event(api_key, payment_method)

    def serve() -> None:
        event["headers"]["idempotency-key"] = uuid.uuid4().hex
        answer = app.handler(event, None)
        assert answer["statusCode"] == 201, answer["body"]

    for _ in range(_WARM_UPS):  # statements are prepared, scripts known, the caller remembered
        serve()
    heard: list[list[Message]] = [[], []]
    for messages in heard:
        with _listening(messages):
            serve()
    one, other = ([(each.method, each.arguments) for each in messages] for messages in heard)
    return Script(tuple(Message(*pair) for pair in compared(one, other)))


@contextmanager
def _listening(messages: list[Message]) -> Iterator[None]:
    kept = {(owner, name): getattr(owner, name) for owner, name in _HEARD}

    def tapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *arguments: Any) -> Any:
            messages.append(Message(name, arguments))
            return real(self, *arguments)

        return call

    for (owner, name), real in kept.items():
        setattr(owner, name, tapped(name, real))
    try:
        yield
    finally:
        for (owner, name), real in kept.items():
            setattr(owner, name, real)


def _event(api_key: str, payment_method: str) -> dict[str, Any]:
    """What the gateway gives, as far as the function reads it."""
    body = {"amount": 1999, "currency": "usd", "payment_method_id": payment_method}
    return {
        "rawPath": "/v1/payments",
        "headers": {"authorization": f"Bearer {api_key}", "content-type": "application/json"},
        "body": json.dumps({**body, "metadata": {"order_id": "6735"}}),
        "isBase64Encoded": False,
        "requestContext": {"http": {"method": "POST", "sourceIp": "127.0.0.1"}},
    }


def main() -> None:
    """Record, in the environment of the function."""
    target, *payer = sys.argv[1:]
    script = _recorded(*payer)
    kept = {
        "script": script,
        "database_url": os.environ["DATABASE_URL"],
        "valkey_url": os.environ["VALKEY_URL"],
    }
    path = Path(target)
    path.touch(mode=0o600)
    path.write_bytes(pickle.dumps(kept))


if __name__ == "__main__":
    # Pickled by this name, and not by that of the program that runs.
    from tests.bench import payment_messages

    payment_messages.main()

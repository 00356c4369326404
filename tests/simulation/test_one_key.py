"""Fifty requests with one key at once: one effect, whatever Valkey does meanwhile.

The others are answered as the first, byte for byte, or told to come again; never anything else.
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from paywright.errors import IdempotencyKeyInProgress, PaywrightError
from paywright.http.messages import Request, Response
from paywright.ids import typeid
from paywright.money import Currency, Money
from paywright.payments.authorize import Authorize, authorize
from paywright.payments.capture import Capture, capture
from paywright.payments.models import Answer, Caller, RequestContext
from paywright.payments.refund import RefundWanted, refund
from paywright.payments.states import CaptureMethod
from paywright.payments.void import void
from paywright.processors.simulator import Simulator
from paywright.settings import Settings
from paywright.wiring import Platform
from tests.services import Servers
from tests.simulation import invariants
from tests.simulation.crew import Crew, crew, seeds
from tests.valkey_proxy import ValkeyProxy, valkey_proxy

RACERS = 50
_LOCK_LAPSES_S = 40.0
_VALKEY_TIMEOUT_MS: int = Settings.model_fields["valkey_timeout_ms"].default
_LATE_S = _VALKEY_TIMEOUT_MS / 1000 * 1.5
_LONG_ENOUGH_S = 0.3

pytestmark = pytest.mark.xdist_group("races")


@dataclass
class Circumstances:
    """Who sends the requests, and what befalls Valkey while the first is at the processor."""

    crew: Crew
    mishap: Callable[[], object] | None = None
    befallen: threading.Event = field(default_factory=threading.Event)


@pytest.fixture(scope="module")
def database(servers: Servers) -> Iterator[str]:
    name = f"one_key_{uuid.uuid4().hex[:8]}"
    yield servers.create_database(name)
    servers.drop_database(name)


@pytest.fixture(
    scope="module", params=["with Valkey", "without", "flushed", "slow for half", "lock lapsed"]
)
def around(
    request: pytest.FixtureRequest, servers: Servers, database: str, valkey_url: str
) -> Iterator[Circumstances]:
    with ExitStack() as stack:
        valkey = stack.enter_context(redis.Redis.from_url(valkey_url))
        url, mishap, timeout_ms = valkey_url, None, 5_000
        if request.param == "without":
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                url = f"redis://127.0.0.1:{probe.getsockname()[1]}/0"
        elif request.param == "slow for half":
            proxy = stack.enter_context(valkey_proxy(valkey_url))
            proxy.needle, proxy.late_s, proxy.every = b":idempotency:", _LATE_S, 2
            timeout_ms = _VALKEY_TIMEOUT_MS
            url = proxy.url
            stack.callback(lambda: assert_some_were_late(proxy))
        elif request.param == "flushed":
            mishap = valkey.flushdb
        elif request.param == "lock lapsed":

            def lapse() -> None:
                locks = valkey.keys("*:idempotency:*:lock")
                assert valkey.delete(*locks) == 1, "the first holds the only one"

            mishap = lapse
        racers = crew(servers, database, url, RACERS, valkey_timeout_ms=timeout_ms)
        yield Circumstances(stack.enter_context(racers), mishap)


def assert_some_were_late(proxy: ValkeyProxy) -> None:
    assert proxy.late, "Valkey was slow in no race"


def asking(around: Circumstances, what: str, payment_id: uuid.UUID, key: str) -> Any:
    """Sends one request through the gate of its environment."""
    usd = Money(1000, Currency.of("usd"))
    sale = Authorize(usd, around.crew.method, None, CaptureMethod.AUTOMATIC, False, None, {})
    services: dict[str, Callable[[Platform, Caller, RequestContext], Answer]] = {
        "authorize": lambda platform, *who: authorize(platform.payments, who[0], sale, who[1]),
        "capture": lambda platform, *who: capture(
            platform.payments, who[0], Capture(payment_id, None), who[1]
        ),
        "void": lambda platform, *who: void(platform.payments, who[0], payment_id, who[1]),
        "refund": lambda platform, *who: refund(
            platform.payments, who[0], RefundWanted(payment_id, 600, None, {}), who[1]
        ),
    }
    headers = {"authorization": f"Bearer {around.crew.api_key}", "idempotency-key": key}
    named = f"/{typeid('txn', payment_id)}/{what}"
    path = "/v1/payments" + ("" if what == "authorize" else named)

    def send(platform: Platform) -> Response:
        request = Request("POST", path, headers, b"{}", uuid.uuid4().hex, None)
        return platform.gate.serve(request, lambda *who: services[what](platform, *who))

    return send


@pytest.mark.parametrize("seed", seeds(2))
@pytest.mark.parametrize("what", ["authorize", "capture", "void", "refund"])
def test_one_key_has_one_effect(
    around: Circumstances, what: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    racers, key = around.crew, uuid.uuid4().hex
    method = CaptureMethod.AUTOMATIC if what == "refund" else CaptureMethod.MANUAL
    payment_id = racers.pay(1000, method)
    send = asking(around, what, payment_id, key)
    jobs = [send] * RACERS
    if around.mishap is not None:
        jobs = [send] * (RACERS // 2) + [afterwards(around, send)] * (RACERS // 2)
        monkeypatch.setattr(Simulator, what, with_mishap(around, getattr(Simulator, what)))
    results = racers.at_once(jobs, seed)

    refusals = {each.code for each in results if isinstance(each, PaywrightError)}
    assert refusals <= {"idempotency_key_in_progress"}
    answers = [each for each in results if isinstance(each, Response)]
    fresh = [each for each in answers if "Idempotent-Replayed" not in each.headers]
    assert len(fresh) == 1
    assert {(each.status, each.body) for each in answers} == {(fresh[0].status, fresh[0].body)}
    assert_one_effect(racers, what, key)
    for platform in racers.platforms[:4]:
        later = at_last(send, platform)
        assert (later.status, later.body) == (fresh[0].status, fresh[0].body)
        assert later.headers["Idempotent-Replayed"] == "true"


def at_last(send: Any, platform: Platform) -> Response:
    """The answer once there is one: a lock that was told of too late is given back, or lapses."""
    until = time.monotonic() + _LOCK_LAPSES_S
    while True:
        try:
            response: Response = send(platform)
        except IdempotencyKeyInProgress:
            assert time.monotonic() < until, "a lock is held by nobody"
            time.sleep(0.2)
        else:
            return response


def afterwards(around: Circumstances, send: Any) -> Any:
    """A request that comes when it has befallen Valkey."""

    def wait(platform: Platform) -> Response:
        assert around.befallen.wait(timeout=30)
        response: Response = send(platform)
        return response

    return wait


def with_mishap(around: Circumstances, real: Any) -> Any:
    """The processor's method, during which it befalls Valkey, and others come."""
    around.befallen.clear()

    def ask(*arguments: Any, **named: Any) -> Any:
        assert around.mishap is not None
        around.mishap()
        around.befallen.set()
        time.sleep(_LONG_ENOUGH_S)
        return real(*arguments, **named)

    return ask


def assert_one_effect(racers: Crew, what: str, key: str) -> None:
    operations = racers.owner.execute(
        "SELECT kind, state, transaction_id FROM payment_operations WHERE idempotency_key = %s",
        [key],
    ).fetchall()
    assert [operation[:2] for operation in operations] == [(what, "succeeded")]
    payment = racers.payment(operations[0][2])
    asked = racers.owner.execute(
        "SELECT count(*) FROM simulator.requests WHERE coalesce(charge, reference) = %s",
        [payment["processor_ref"]],
    ).fetchone()
    assert asked == (1 if what == "authorize" else 2,), "once for what was charged or held"
    became = (payment["status"], payment["captured_amount"], payment["refunded_amount"])
    wanted = {
        "authorize": ("captured", 1000, 0),
        "capture": ("captured", 1000, 0),
        "void": ("voided", 0, 0),
        "refund": ("captured", 1000, 600),
    }
    assert became == wanted[what]
    invariants.check(racers.owner)

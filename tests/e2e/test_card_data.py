"""After a run with every test card and account their numbers are nowhere: on no disk, in no store.

The system is started as docs/testing.md shows: processors are slow and some answers do not come.
"""

from __future__ import annotations

import re
import shlex
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from cli.api import Answer, Merchant, call
from paywright.processors import test_accounts, test_cards
from tests.card_numbers import found_in, in_database, in_files, in_valkey
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.xdist_group("card_data")

_PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
_MISTYPED = "4242424242424241"
_OTHERS = ("5555555555554444", "378282246310005")
_CODE = "073"
_KNOWN = (*test_cards.SCENARIOS, *test_accounts.SCENARIOS, *_OTHERS, _MISTYPED)


@pytest.fixture(scope="module")
def poor(new_home):
    """A system of these tests' own, with poor processors, started by the page's command."""
    shown = re.search(r"^\.venv/bin/paywright (up .+)$", _PAGE.read_text(), re.MULTILINE)
    assert shown is not None
    made = new_home()
    more = ("--detach", "--param=RateLimitPerMin=100000", "--param=ProcessorTimeoutS=1")
    done = made.run(*shlex.split(shown[1]), *more)
    assert done.returncode == 0, done.stderr
    yield made
    assert made.run("down").returncode == 0


def card_of(number: str) -> dict[str, Any]:
    card = {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": _CODE}
    return {"type": "card", "card": card}


def account_of(number: str) -> dict[str, Any]:
    holder = {"account_holder_name": "Ada Lovelace"}
    american = {"account_number": number, "routing_number": "110000000"}
    where = {"country": "US", "currency": "usd"}
    if not number.isdigit():
        american, where = {"iban": number}, {"country": number[:2], "currency": "eur"}
    return {"type": "bank_account", "bank_account": american | where | holder}


def play(api: Merchant, methods: str, number: str) -> None:
    """Add a card or an account, and do with it all that can be done."""
    body = account_of(number) if number in test_accounts.SCENARIOS else card_of(number)
    method = patiently(api, methods, body)
    assert method.status == 201, method.body
    currency = "usd" if number.isdigit() else "eur"
    order = {"amount": 1000, "currency": currency, "payment_method_id": method.body["id"]}
    sale = patiently(api, "/v1/payments", order)
    held = patiently(api, "/v1/payments", order | {"capture": False})
    for payment, steps in ((sale, ("refund",)), (held, ("capture", "void"))):
        for step in steps:
            if payment.status == 201:
                patiently(api, f"/v1/payments/{payment.body['id']}/{step}", {"amount": 10})


def patiently(api: Merchant, path: str, content: Any) -> Answer:
    """POST; again while the breaker is open: chance keeps answers away here."""
    give_up = time.monotonic() + 2 * PATIENCE_S
    while (answer := api.post(path, content)).status == 503 and time.monotonic() < give_up:
        time.sleep(0.2)
    assert in_answer(answer) == set()
    return answer


def in_answer(answer: Answer) -> set[str]:
    """What is in an answer that may not be there."""
    return found_in(f"{answer.body} {answer.headers}", _KNOWN, _CODE)


def mistake(api: Merchant, methods: str, content: bytes, **headers: str) -> Answer:
    """Something malformed with a card in it: what is refused must not be repeated anywhere."""
    return call(
        "POST",
        api.gateway_url + methods,
        content,
        headers={"Authorization": f"Bearer {api.api_key}", **headers},
    )


def test_numbers_are_nowhere(poor) -> None:
    api = poor.api
    begun = time.monotonic()
    order = {"amount": 5, "currency": "usd", "payment_method_id": poor.demo.payment_method_id}
    assert patiently(api, "/v1/payments", order).status == 201
    assert time.monotonic() - begun >= 0.1, "the parameters did not reach the functions"

    customer = api.created("/v1/customers", {"name": "Ada"})
    methods = f"/v1/customers/{customer['id']}/payment_methods"
    numbers = (*test_cards.SCENARIOS, *_OTHERS, *test_accounts.SCENARIOS)
    for number in numbers:
        play(api, methods, number)
    number = _OTHERS[0]
    json_type = {"Content-Type": "application/json"}
    keyed = {"Idempotency-Key": f"order {number}", **json_type}
    assert mistake(api, "/v1/customers", b'{"name": "Ada"}', **keyed).status == 201
    api_key = {"Authorization": f"Bearer {api.api_key}"}
    refusals = [
        patiently(api, methods, card_of(_MISTYPED)),
        api.post(methods, card_of(number) | {"surprise": number}),
        api.post(methods, {"type": "card", "card": {"number": int(number)}}),
        api.post(methods, {"type": number, "card": {"number": number, "cvc": 737}}),
        api.post(methods, {"type": "card", "card": number}),
        api.post(methods, card_of(number + "0000")),
        api.post(methods, account_of("DE62370400440532013001") | {"type": "card"}),
        api.post("/v1/payments", order | {"payment_method_id": number}),
        mistake(
            api,
            methods,
            f'{{"card": {{"number": "{number}", "cvc": "{_CODE}"'.encode(),
            **json_type,
        ),
        mistake(api, methods, f"number={number}&cvc={_CODE}".encode()),
    ]
    refusals += [
        api.post(methods, {"type": "card", "card": {"number": number, number: "x"}}),
        api.post(methods, {"type": "card", "card": {"number": number, _CODE: "x"}}),
        api.post("/v1/payments", order | {"description": f"paid with {number}"}),
        api.post("/v1/payments", order | {"metadata": {number: "x"}}),
        api.post("/v1/customers", {"name": number, "external_id": number}),
        mistake(api, methods, b"{}", **json_type, **{"Idempotency-Key": number}),
        mistake(api, methods, b"{}", **json_type, **{"User-Agent": f"shop/1.0 ({number})"}),
        call("GET", f"{api.gateway_url}/v1/payments?{number}={_CODE}&{_CODE}=1", headers=api_key),
        call("GET", f"{api.gateway_url}/v1/payments?status={number}", headers=api_key),
        call("GET", f"{api.gateway_url}/v1/{number}/x?{number}={_CODE}", headers=api_key),
    ]
    for answer in refusals:
        assert 400 <= answer.status < 500, answer.body
        assert in_answer(answer) == set()

    with psycopg.connect(poor.urls.database_url) as connection:
        assert in_database(connection, _KNOWN, _CODE) == set()
    with redis.Redis.from_url(poor.urls.valkey_url) as client:
        assert in_valkey(client, _KNOWN, _CODE) == set()
    received = call("GET", f"{poor.urls.receiver_url}/received").body
    assert received, "no webhook came"
    assert found_in(str(received), _KNOWN, _CODE) == set()
    assert in_files(poor.home.folder, _KNOWN, _CODE) == set()

"""`paywright ledger` on the system that runs here: no database has to be named."""

from __future__ import annotations

import json
import uuid

import pytest

from cli.api import call

pytestmark = pytest.mark.xdist_group("e2e")


def pay(paywright, amount: int = 10_000) -> str:
    content = {"amount": amount, "currency": "usd"}
    method = {"payment_method_id": paywright.demo.payment_method_id}
    return str(paywright.api.created("/v1/payments", {**content, **method})["id"])


def test_the_demo_merchants_ledger(paywright, tmp_path):
    payment = pay(paywright)
    entries = json.loads(paywright.run("ledger", "entries", "--payment", payment, "--json").stdout)
    assert {each["payment_id"] for each in entries} == {payment}
    assert "merchant_balance, usd" in paywright.run("ledger", "t-accounts", payment).stdout
    balances = json.loads(paywright.run("ledger", "balances", "--json").stdout)
    available = next(each for each in balances if each["account_type"] == "merchant_balance")
    headers = {"Authorization": f"Bearer {paywright.demo.api_key}"}
    url = paywright.urls.gateway_url
    shown = call("GET", f"{url}/v1/balance", headers=headers).body
    assert shown["balances"][-1]["available"] == available["balance"]
    query = f"payment_id={payment}&created[gte]=2026-01-01T00:00:00%2B01:00&limit=1"
    page = call("GET", f"{url}/v1/ledger/entries?{query}", headers=headers).body
    assert [page["has_more"], len(page["data"])] == [True, 1]
    file = tmp_path / "heads"
    assert paywright.run("ledger", "heads", "export", str(file)).returncode == 0
    for options in ([], ["--from-head", str(file)]):
        done = paywright.run("ledger", "verify", *options)
        assert done.stdout.startswith("The ledger holds: "), done.stdout + done.stderr


def test_a_fee_holds_from_the_next_payment_on(paywright):
    merchant = paywright.json(
        *("merchant", "create", "--name", "Fees", "--email", f"{uuid.uuid4().hex}@example.com"),
        *("--settlement-currency", "usd"),
    )
    headers = {"Authorization": f"Bearer {merchant['api_key']}", "Content-Type": "application/json"}
    url = paywright.urls.gateway_url

    def post(path: str, content: object) -> dict[str, str]:
        sent = {**headers, "Idempotency-Key": uuid.uuid4().hex}
        answer = call("POST", url + path, json.dumps(content).encode(), headers=sent)
        assert answer.status == 201, answer.body
        return dict(answer.body)

    customer = post("/v1/customers", {})["id"]
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    method = post(f"/v1/customers/{customer}/payment_methods", {"type": "card", "card": card})
    plan = ("--method", "card", "--currency", "usd", "--percent", "1", "--fixed", "30")
    mine = ("--merchant", merchant["id"])
    done = paywright.run("merchant", "fees", "set", *mine, *plan)
    assert (done.stdout, done.stderr) == ("Agreed: card, usd: 1 % + 0.30 usd.\n", "")
    sold = {"amount": 10_000, "currency": "usd", "payment_method_id": method["id"]}
    payment = post("/v1/payments", sold)["id"]
    query = f"payment_id={payment}&account_type=platform_fee"
    (fee,) = call("GET", f"{url}/v1/ledger/entries?{query}", headers=headers).body["data"]
    assert fee["amount"] == 130

"""`paywright webhooks resend` of deliveries, and what it says of what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.integration.cli.test_ledger_command import Command
from tests.integration.cli.webhooks.conftest import OPERATOR, Merchant, audited


def test_one_delivery_is_sent_again(command: Command, merchant: Merchant) -> None:
    delivered, failed = merchant.delivery("delivered", 200), merchant.delivery("failed", 500)
    done = command.run("webhooks", "resend", delivered)
    assert done.stdout == f"{delivered} is sent again.\n", done.stderr
    content = command.json("webhooks", "resend", failed)
    assert (content["id"], content["status"]) == (failed, "pending")
    assert merchant.waiting() == {delivered, failed}
    assert audited(merchant, "webhook_delivery") == [("resent", *OPERATOR)] * 2


def test_all_that_failed_within_a_time_is_sent_again(
    command: Command, merchant: Merchant, new_merchant: Callable[[], Merchant]
) -> None:
    failed = {merchant.delivery("failed", 500) for _ in range(3)}
    merchant.delivery("delivered", 200)
    merchant.delivery("failed", 500, ago=timedelta(hours=3))
    new_merchant().delivery("failed", 500)
    arguments = ("webhooks", "resend", f"--endpoint={merchant.endpoint_id}", "--failed")
    done = command.run(*arguments, "--since=2h")
    assert done.stdout == "3 deliveries are sent again.\n", done.stderr
    assert merchant.waiting() == failed
    assert command.json(*arguments, "--since=2h") == {"resent": 0}
    assert audited(merchant, "webhook_endpoint") == [("resent", *OPERATOR)] * 2


def test_an_operator_needs_no_key_of_the_merchants_and_an_active_merchant(
    command: Command, merchant: Merchant
) -> None:
    failed = merchant.delivery("failed", 500)
    merchant.connection.execute("UPDATE api_keys SET revoked_at = now()")
    assert command.json("webhooks", "resend", failed)["id"] == failed
    merchant.connection.execute("UPDATE merchants SET status = 'suspended'")
    assert "is suspended" in command.refused("webhooks", "resend", failed)
    assert len(audited(merchant, "webhook_delivery")) == 1


NOWHERE = "01k8nkrkaye008000000000003"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--endpoint=whd_1"], "is no webhook endpoint's id"),
        (["list", "--since=soon"], "is no length of time"),
        (["list", "--merchant=mer_x"], "is no merchant's id: that is mer_ and 26 letters"),
        (["resend"], "`paywright webhooks resend evt_…`"),
        (["resend", "--endpoint=whe_1"], "Give a delivery, an event, or --endpoint with --failed"),
        (["resend", "whd_1", "--failed"], "Give a delivery, an event, or --endpoint with --fail"),
        (["resend", "whd_1"], "is no delivery's id"),
        (["resend", f"whd_{NOWHERE}"], "There is no delivery"),
        (["resend", "evt_1"], "is no event's id: that is evt_ and 26 letters"),
        (["resend", f"evt_{NOWHERE}"], "There is no event"),
        (["resend", f"evt_{NOWHERE}", "--merchant=mer_1"], "is no merchant's id"),
        (["resend", f"whd_{NOWHERE}", f"--merchant=mer_{NOWHERE}"], "goes with an event"),
        (["resend", f"--endpoint=whe_{NOWHERE}", "--failed"], "There is no webhook endpoint"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    command: Command, arguments: list[str], said: str
) -> None:
    assert said in command.refused("webhooks", *arguments)


def test_what_the_service_refuses_is_said(command: Command, merchant: Merchant) -> None:
    failed = merchant.delivery("failed", 500)
    merchant.connection.execute("UPDATE webhook_endpoints SET enabled = false")
    assert "disabled" in command.refused("webhooks", "resend", failed)
    since = "--since=40d"
    arguments = ("resend", f"--endpoint={merchant.endpoint_id}", "--failed", since)
    assert "30 days" in command.refused("webhooks", *arguments)

"""Merchants made from the command line, the demo merchant among them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from dataclasses import asdict, dataclass

import psycopg

from cli import database
from cli.api import Merchant
from cli.errors import Failure
from cli.paths import Home, read_private, write_private
from cli.state import Urls

_KNOWN_SECRETS = 100
_DEMO_CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}


class Exists(Failure):
    """There is a merchant of that e-mail address."""


@dataclass(frozen=True)
class Created:
    """A new merchant; key and secret are shown this once. No webhook URL, no secret."""

    id: str
    api_key: str
    webhook_secret: str | None


@dataclass(frozen=True)
class Demo:
    """The merchant with which a local run is tried out, and a customer's card."""

    id: str
    api_key: str
    webhook_secret: str
    payment_method_id: str = ""
    customer_id: str = ""


def pii_key(home: Home) -> str:
    """PII_KEY, else the key of this installation."""
    return os.environ.get("PII_KEY") or home.secret("pii_key")


def create(
    connection: psycopg.Connection,
    home: Home,
    receiver_url: str,
    *,
    name: str,
    email: str,
    settlement_currency: str,
    webhook_url: str | None = None,
    rate_limit_per_min: int | None = None,
    fx_spread_bps: int = 0,
) -> Created:
    """Make a test-mode merchant; the local receiver learns its secret if webhooks go there.

    Raises Failure with what is wrong with the arguments.
    """
    from paywright.clock import business_clock  # noqa: PLC0415 - not needed by a warm start
    from paywright.errors import MerchantExists, PaywrightError  # noqa: PLC0415
    from paywright.ids import UuidSource  # noqa: PLC0415
    from paywright.merchants.create import create_merchant  # noqa: PLC0415

    clock = business_clock(str(home.clock_file) if home.clock_file.exists() else None)
    try:
        made = create_merchant(
            connection,
            pii_key(home),
            name=name,
            email=email,
            settlement_currency=settlement_currency,
            webhook_url=webhook_url,
            rate_limit_per_min=rate_limit_per_min,
            fx_spread_bps=fx_spread_bps,
            allow_loopback=True,
            clock=clock,
            ids=UuidSource(clock),
        )
        connection.commit()
    except MerchantExists as error:
        raise Exists(error.message) from error
    except PaywrightError as error:
        raise Failure(error.message) from error
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0]
        raise Failure(f"The database did not take the merchant: {reason}.") from error
    if webhook_url and webhook_url.startswith(receiver_url) and made.webhook_secret:
        _tell_receiver(home, made.webhook_secret)
    return Created(made.id, made.api_key, made.webhook_secret)


def demo(home: Home) -> Demo:
    """The demo merchant of this installation; Failure if there is none yet."""
    content = read_private(home.demo_file)
    if not content:
        raise Failure("There is no demo merchant yet: start Paywright with `paywright up`.")
    return Demo(**content)


def ensure_demo(home: Home, urls: Urls) -> Demo:
    """Make the demo merchant, or bring the one of an earlier run up to date."""
    webhook_url = f"{urls.receiver_url}/webhooks"
    with database.connect(urls.database_url) as connection:
        known = read_private(home.demo_file)
        found = Demo(**known) if known else None
        if found is not None and _move_webhooks(connection, found.api_key, webhook_url):
            _tell_receiver(home, found.webhook_secret)
        else:
            made = _create_demo(connection, home, urls, webhook_url)
            assert made.webhook_secret is not None, "it has a webhook URL"
            found = Demo(made.id, made.api_key, made.webhook_secret)
            write_private(home.demo_file, asdict(found))
    if not found.payment_method_id:
        found = _with_card(found, urls)
        write_private(home.demo_file, asdict(found))
    return found


def curl_line(urls: Urls, merchant: Demo) -> str:
    """One line for a shell that takes a payment as it is, each time anew."""
    body = (
        '{"amount": 1999, "currency": "usd", "capture": true, '
        f'"payment_method_id": "{merchant.payment_method_id}"}}'
    )
    return (
        f"curl -s {urls.gateway_url}/v1/payments -H 'Authorization: Bearer {merchant.api_key}' "
        f"-H 'Content-Type: application/json' -H \"Idempotency-Key: try-$(date +%s%N)\" -d '{body}'"
    )


def _create_demo(
    connection: psycopg.Connection, home: Home, urls: Urls, webhook_url: str
) -> Created:
    """A database that outlived `demo.json` has the usual address: its key is lost, so a new one."""
    addresses = ("demo@example.com", f"demo+{secrets.token_hex(4)}@example.com")
    for email in addresses:
        with contextlib.suppress(Exists):
            return create(
                connection,
                home,
                urls.receiver_url,
                name="Demo Merchant",
                email=email,
                settlement_currency="usd",
                webhook_url=webhook_url,
            )
    raise Failure("The demo merchant could not be made: its e-mail address is taken.")


def _with_card(merchant: Demo, urls: Urls) -> Demo:
    client = Merchant(urls.gateway_url, merchant.api_key)
    customer = client.created("/v1/customers", {"email": "ada@example.com", "name": "Ada Lovelace"})
    method = client.created(
        f"/v1/customers/{customer['id']}/payment_methods", {"type": "card", "card": _DEMO_CARD}
    )
    return Demo(
        merchant.id, merchant.api_key, merchant.webhook_secret, method["id"], customer["id"]
    )


def _move_webhooks(connection: psycopg.Connection, api_key: str, webhook_url: str) -> bool:
    """Send the demo merchant's webhooks to where the receiver is now; False if it is not there."""
    key_hash = hashlib.sha256(api_key.encode()).digest()
    row = connection.execute(
        "SELECT merchant_id FROM api_keys WHERE key_hash = %s AND revoked_at IS NULL", (key_hash,)
    ).fetchone()
    if row is None:
        return False
    connection.execute(
        "UPDATE webhook_endpoints SET url = %(url)s"
        " WHERE merchant_id = %(merchant_id)s AND url <> %(url)s"
        " AND url LIKE 'http://127.0.0.1:%%/webhooks'",
        {"merchant_id": row[0], "url": webhook_url},
    )
    return True


def _tell_receiver(home: Home, secret: str) -> None:
    known = read_private(home.receiver_file).get("secrets", [])
    if secret not in known:
        write_private(home.receiver_file, {"secrets": [*known, secret][-_KNOWN_SECRETS:]})

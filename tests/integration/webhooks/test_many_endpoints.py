"""A thousand endpoints of one merchant, ten times what it may have: bounded, and all are served."""

from __future__ import annotations

import time
import tracemalloc

from paywright.ids import UuidSource
from tests.integration.webhooks.conftest import PII_KEY, Merchant
from tests.receivers import Receiver

MANY = 1_000
PATIENCE_S = 120


def test_an_event_for_a_thousand_endpoints_reaches_each_of_them(
    merchant: Merchant, receiver: Receiver
) -> None:
    ids = UuidSource(merchant.clock).several(MANY - 1)
    with merchant.owner.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO webhook_endpoints (merchant_id, id, livemode, url, secret_encrypted,"
            " api_version, created_at, updated_at) VALUES (%s, %s, false, %s,"
            " pgp_sym_encrypt(%s, %s), '2026-11-01', now(), now())",
            [(merchant.id, each, receiver.url, merchant.secret, PII_KEY) for each in ids],
        )
    tracemalloc.start()
    try:
        assert merchant.deliver(merchant.message(), left_s=2) == []
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 50_000_000
    # What was not begun in time is in the database's care, and nowhere else.
    assert len(merchant.attempts()) + len(merchant.waiting()) >= MANY
    give_up = time.monotonic() + PATIENCE_S
    while merchant.waiting():
        assert time.monotonic() < give_up, len(merchant.waiting())
        merchant.deliver_due()
    deliveries = merchant.deliveries()
    assert {each["status"] for each in deliveries} == {"delivered"}
    assert len({each["endpoint_id"] for each in deliveries}) == len(deliveries) == MANY
    assert len(receiver.received) >= MANY  # a busy receiver may be asked again

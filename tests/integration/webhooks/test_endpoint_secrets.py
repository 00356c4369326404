"""The secrets of an endpoint: told again to the key that made it, sealed, and rotated."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

from paywright.wiring import Platform
from tests.api import Api
from tests.integration.webhooks.endpoints import (
    PATH,
    URL,
    Owner,
    audited,
    listed,
    made,
    refused,
    secrets_of,
    uuid_of,
)
from tests.platform import api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]


def test_a_key_makes_one_endpoint_and_tells_its_secret_again(
    api: Api, owner: Owner, platform: Platform
) -> None:
    key = uuid.uuid4().hex
    first, second = (api.post(PATH, {"url": URL}, key=key) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.text == second.text
    assert second.headers["idempotent-replayed"] == "true"
    assert listed(api) == [first.json["id"]]
    other = api.post(PATH, {"url": URL + "/2"}, key=key)
    assert refused(other) == (400, "idempotency_key_reused", None)
    kept = owner.execute("SELECT response_body FROM idempotency_keys WHERE key = %s", [key])
    ((body,),) = kept.fetchall()
    secret = first.json["secret"]
    assert body.startswith("sealed:")
    assert secret not in body
    digest = hashlib.sha256(key.encode()).hexdigest()
    merchant_id = uuid_of(api.merchant.id)
    cached = platform.cache.merchant_key(merchant_id, "idempotency", "test", digest)
    assert platform.cache.get(cached) is None


def test_rotation_keeps_the_secret_before_for_a_day(api: Api, owner: Owner) -> None:
    created = made(api)
    path = f"{PATH}/{created['id']}/rotate_secret"
    first = api.post(path)
    assert first.status == 200, first.text
    assert first.json["secret"] != created["secret"]
    ends = datetime.fromisoformat(first.json["previous_secret_expires_at"])
    assert ends - datetime.fromisoformat(first.json["updated_at"]) == timedelta(hours=24)
    assert secrets_of(owner, created["id"]) == (first.json["secret"], created["secret"])
    # A second rotation ends the oldest secret at once.
    second = api.post(path, {"overlap_s": 60})
    assert secrets_of(owner, created["id"]) == (second.json["secret"], first.json["secret"])
    third = api.post(path, {"overlap_s": 0})
    assert third.json["previous_secret_expires_at"] is None
    assert secrets_of(owner, created["id"]) == (third.json["secret"], None)
    for overlap_s in (-1, 86_401, 1.5, "60", None):
        reply = api.post(path, {"overlap_s": overlap_s})
        assert refused(reply) == (400, "invalid_field", "overlap_s")
    assert "secret" not in api.get(f"{PATH}/{created['id']}").json
    actions = [action for action, _ in audited(owner, created["id"])]
    assert actions[:4] == ["created", *["secret_rotated"] * 3]


def test_a_key_rotates_once(api: Api, owner: Owner) -> None:
    created = made(api)
    path, key = f"{PATH}/{created['id']}/rotate_secret", uuid.uuid4().hex
    first, second = (api.post(path, {}, key=key) for _ in range(2))
    assert first.text == second.text
    assert secrets_of(owner, created["id"]) == (first.json["secret"], created["secret"])

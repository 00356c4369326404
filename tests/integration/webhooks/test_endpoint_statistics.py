"""Statistics of an endpoint: how its attempts went in a day and in a week."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api import Api
from tests.integration.webhooks.endpoints import PATH, Owner, made, refused, uuid_of
from tests.platform import api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]


def _attempts(owner: Owner, api: Api, endpoint_id: str, *attempts: tuple[float, Any, int]) -> None:
    """Attempts so many hours ago, each with its status or error, and its milliseconds."""
    for number, (hours, came, duration_ms) in enumerate(attempts):
        owner.execute(
            "INSERT INTO webhook_attempts (merchant_id, delivery_id, number, endpoint_id, at,"
            " status_code, error, duration_ms) VALUES (%s, %s, %s, %s, now() - %s, %s, %s, %s)",
            [
                uuid_of(api.merchant.id),
                uuid.uuid4(),
                number + 1,
                uuid_of(endpoint_id),
                timedelta(hours=hours),
                came if isinstance(came, int) else None,
                came if isinstance(came, str) else None,
                duration_ms,
            ],
        )


def test_statistics_tell_how_it_went_in_a_day_and_a_week(api: Api, owner: Owner) -> None:
    created, other = made(api), made(api)
    path = f"{PATH}/{created['id']}/stats"
    nothing = api.get(path).json
    assert nothing["last_error"] is None
    assert nothing["last_24_hours"]["attempts"] == 0
    assert nothing["last_24_hours"]["success_rate"] is None
    assert nothing["last_7_days"]["duration_p50_ms"] is None
    _attempts(owner, api, other["id"], (1, 500, 7))
    _attempts(
        owner,
        api,
        created["id"],
        (1, 200, 10),
        (2, 204, 30),
        (3, "no answer within 10 s", 10_000),
        (20, 503, 50),
        (25, 404, 900),
        (26, 200, 20),
        (7 * 24 + 1, 200, 1),
    )
    shown = api.get(path).json
    day, week = shown["last_24_hours"], shown["last_7_days"]
    begins = {name: period.pop("since") for name, period in (("day", day), ("week", week))}
    assert day == {
        "attempts": 4,
        "succeeded": 2,
        "success_rate": 0.5,
        "duration_p50_ms": 30,
        "duration_p95_ms": 50,
    }
    assert week == {
        "attempts": 6,
        "succeeded": 3,
        "success_rate": 0.5,
        "duration_p50_ms": 30,
        "duration_p95_ms": 900,
    }
    assert shown["last_error"]["message"] == "no answer within 10 s"
    assert shown["last_error"]["status_code"] is None
    ago = datetime.fromisoformat(begins["day"]) - datetime.fromisoformat(begins["week"])
    assert ago == timedelta(days=6)


def test_statistics_cost_no_more_for_a_busy_endpoint(
    api: Api, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paywright.webhooks.stats.MOST_ATTEMPTS", 3)
    created = made(api)
    _attempts(owner, api, created["id"], *[(hours, 200, 1) for hours in range(1, 40)])
    _attempts(owner, api, created["id"], (30, 500, 1))
    shown = api.get(f"{PATH}/{created['id']}/stats").json
    assert shown["last_24_hours"] == shown["last_7_days"]
    assert shown["last_24_hours"]["attempts"] == 3
    since = datetime.fromisoformat(shown["last_24_hours"]["since"])
    assert timedelta(hours=2.9) < datetime.now(UTC) - since < timedelta(hours=3.1)
    assert shown["last_error"] is None


def test_statistics_of_others_are_not_found(api: Api, new_merchant: Callable[..., Any]) -> None:
    path = f"{PATH}/{made(api)['id']}/stats"
    assert refused(Api(new_merchant()).get(path)) == (404, "not_found", None)

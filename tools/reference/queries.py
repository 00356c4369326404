"""The query parameters of the routes that take some, as OpenAPI describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from paywright.event import EventType
from paywright.http.lists import DEFAULT_LIMIT, MAX_LIMIT
from paywright.ledger.balances import MERCHANT_ACCOUNTS
from paywright.payments.models import RefundStatus
from paywright.payments.states import Status
from paywright.webhooks.deliveries import STATUSES
from tools.reference.objects import id_pattern

Schema = dict[str, Any]

_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_CURRENCY: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z]{3}$"}
_CREATED: Final = {
    "gte": "Made at this time or later.",
    "gt": "Made later.",
    "lte": "Made at this time or earlier.",
    "lt": "Made earlier.",
}


def as_of() -> tuple[Schema, ...]:
    """The parameter of a balance."""
    said = (
        "The balance after what was sequenced until then; not in the future. The same time has the "
        "same answer for ever. Send a + as %2B."
    )
    return (_parameter("as_of", said, _TIME),)


def payments() -> tuple[Schema, ...]:
    """The parameters of the list of payments."""
    return (
        *_page("txn"),
        _parameter("status", "Of this status.", {"enum": [str(status) for status in Status]}),
        _parameter("currency", "In this currency.", _CURRENCY),
        _parameter("customer_id", "Of this customer.", _id("cus")),
    )


def refunds() -> tuple[Schema, ...]:
    """The parameters of the list of a payment's refunds."""
    return (
        *_page("re"),
        _parameter("status", "Of this status.", {"enum": [str(status) for status in RefundStatus]}),
    )


def entries() -> tuple[Schema, ...]:
    """The parameters of the list of ledger entries."""
    return (
        *_page("le"),
        _parameter("account_type", "Of accounts of this type.", {"enum": list(MERCHANT_ACCOUNTS)}),
        _parameter("currency", "In this currency.", _CURRENCY),
        _parameter("payment_id", "Posted for this payment.", _id("txn")),
    )


def webhook_deliveries() -> tuple[Schema, ...]:
    """The parameters of the list of webhook deliveries."""
    return (
        *_page("whd"),
        _parameter("status", "Of this status.", {"enum": list(STATUSES)}),
        _parameter("webhook_endpoint_id", "To this webhook endpoint.", _id("whe")),
        _parameter("event_id", "Of this event.", _id("evt")),
    )


def webhook_endpoints() -> tuple[Schema, ...]:
    """The parameters of the list of webhook endpoints."""
    said = "Those that are enabled, or those that are not."
    return (*_page("whe"), _parameter("enabled", said, {"enum": ["true", "false"]}))


def events() -> tuple[Schema, ...]:
    """The parameters of the list of events."""
    groups = sorted({each.partition(".")[0] for each in EventType})
    types = [*EventType, *(f"{group}.*" for group in groups), "*"]
    any_id = {"type": "string", "pattern": "^[a-z]+_[0-7][0-9a-hjkmnp-tv-z]{25}$"}
    return (
        *_page("evt"),
        _parameter("type", "Of this type, or of this group of types.", {"enum": types}),
        _parameter("object_id", "About this object.", any_id),
    )


def _page(prefix: str) -> tuple[Schema, ...]:
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    return (
        _parameter("limit", "How many at most.", limit),
        _parameter("starting_after", "Those older than this one.", _id(prefix)),
        _parameter("ending_before", "Those newer than this one, next to it.", _id(prefix)),
        *(_parameter(f"created[{name}]", said, _TIME) for name, said in _CREATED.items()),
    )


def _parameter(name: str, said: str, schema: Mapping[str, Any]) -> Schema:
    return {"name": name, "in": "query", "description": said, "schema": dict(schema)}


def _id(prefix: str) -> Schema:
    return {"type": "string", "pattern": id_pattern(prefix)}

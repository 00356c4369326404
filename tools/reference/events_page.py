"""Makes docs/events.md: the catalogue of events, from their models and examples."""

# ruff: noqa: E501 - prose is as wide as in the other pages

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from paywright.event import API_VERSION, EventType
from paywright.events.catalogue import MODELS
from paywright.http.event_list import KEPT_FOR
from tools.reference.events import example

_INTRODUCTION: Final = """\
# Events

Whatever happens to an object is an event: posted to your [webhook endpoints](webhooks.md), and there to be read for
{days} days of business time.

| event | when |
|---|---|
"""

_FORM: Final = """
## What all events have

`data.object` is the object after what happened, as the API shows it. `id` is the same in every delivery of an event:
process an id once, since events come at least once. Queues promise no order: `sequence` counts the events about one
object from 1, without gaps, so keep the highest that you have seen. A receiver sees gaps where events of an object are
not for it: types that its endpoint does not want, and events about webhook endpoints, of which a test goes to that
endpoint alone and `merchant.webhook_endpoint_disabled` to the others. `created_at` is when it happened.

`api_version` (now `{version}`) names the form of the event and of the object in it. New fields and new types of events
may be added within a version: ignore what you do not know. What would break a receiver gets a new version.
[events.schema.json](events.schema.json) is the JSON Schema of all events, and `paywright.events.catalogue` has them as
pydantic models: `Event.model_validate_json(body).root` is one of them.

## Reading them

| request | what it does |
|---|---|
| `GET /v1/events` | lists them, the newest first, with the cursors and `created[...]` of every list |
| `GET /v1/events/{{id}}` | shows one, byte for byte as it is posted |

`type` takes a type, a group of them (`payment.*`) or `*`; `object_id` takes the id of what the event is about. An event
is there as soon as its cause is, on its way or not, also while the bus is away.

```sh
curl -s "http://127.0.0.1:3000/v1/events?type=refund.*&limit=5" -H "Authorization: Bearer $KEY"
```

## On their way

An event is written in the transaction of its cause, into the table `outbox`: neither exists without the other. The
function `relay` puts it on the bus `payment-events` and moves it to the table `events`. The bus's rules bring
`payment.*`, `refund.*`, `dispute.*`, `payout.*`, `webhook_endpoint.*` and `merchant.webhook_endpoint_disabled` to the
queue `webhook-delivery`; what people must know goes to `notifications`. While the bus is away events wait, and the relay tries again with growing pauses; one that the bus
refuses by itself rests, longer each time, and holds up no other.

| metric of `relay` | is |
|---|---|
| `OutboxEvents` (`paywright_outbox_events`) | how many events wait, counted up to 100,000 |
| `OutboxAgeSeconds` (`paywright_outbox_age_seconds`) | since when the oldest of them does, in seconds of business time |

Both are told every ten seconds. An age of more than a minute means that the bus is away or the relay is.
`make bench BENCH=events` measures the way from commit to queue, and how fast a backlog drains.

## One example each
"""


def events_page(note: str) -> str:
    """The page; `note` says that it is made."""
    return "\n".join(
        [
            note,
            "",
            _INTRODUCTION.format(days=KEPT_FOR.days) + "\n".join(_rows()),
            _FORM.format(version=API_VERSION).rstrip("\n"),
            *_examples(),
            "",
        ]
    )


def _rows() -> Iterator[str]:
    for event_type, model in MODELS.items():
        when = (model.__doc__ or "").rstrip(".")
        yield f"| [`{event_type}`](#{_anchor(event_type)}) | {when} |"


def _examples() -> Iterator[str]:
    for event_type in MODELS:
        text = json.dumps(example(event_type), indent=2, ensure_ascii=False)
        yield f'\n### <a id="{_anchor(event_type)}"></a>{event_type}\n\n```json\n{text}\n```'


def _anchor(event_type: EventType) -> str:
    return event_type.replace(".", "_")

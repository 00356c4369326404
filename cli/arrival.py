"""How an event would arrive: what kind of event it is, and sending it that way.

Sources of the forms: API Gateway developer guide, payload format 2.0; Lambda developer guide,
"Using Lambda with Amazon SQS"; EventBridge user guide, "AWS service event metadata"; EventBridge
Scheduler user guide, "Managing targets".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from cli import aws
from cli.api import call
from cli.errors import Failure
from cli.invoke import invoke
from cli.logs import w3c, xray
from cli.state import Emulated

_BATCH = 10
"""Messages of one SendMessageBatch."""
_MADE_BY_THE_GATEWAY = frozenset(
    {"host", "content-length", "connection", "transfer-encoding", "x-amzn-trace-id"}
    | {"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
)
_SCHEDULERS = ("aws.scheduler", "aws.events")


@dataclass(frozen=True)
class Arrived:
    """What was done, and the answer if there is one.

    What it causes is in the log under `trace`, or else is what `function` does. A bus forgets the
    trace of an event on its way to a function, which has `event_id` then.
    """

    done: str
    answer: str = ""
    failed: bool = False
    trace: str | None = None
    function: str | None = None
    event_id: str | None = None


def send(
    event: Any, urls: Emulated, *, trace: str, function: str | None = None, bus: str | None = None
) -> Arrived:
    """Send an event the way that one of its form arrives; Failure if there is no such way here.

    `trace` is the W3C trace id that it goes under. With a function, it goes to that one, queued;
    with a bus, an event of EventBridge goes to that one.
    """
    if function is not None:
        result = invoke(urls.lambda_url, function, json.dumps(event).encode(), wait=False)
        done = f"Queued for {function}: request {result.request_id}."
        return Arrived(done, function=function)
    fields = event if isinstance(event, dict) else {}
    context, records = fields.get("requestContext"), fields.get("Records")
    if isinstance(context, dict) and "http" in context:
        return _request(fields, urls, trace)
    if isinstance(records, list) and records:
        return _messages(records, urls, trace)
    if {"detail-type", "source", "detail"} <= fields.keys():
        if fields["detail-type"] == "Scheduled Event" and fields["source"] in _SCHEDULERS:
            return _schedule(fields, urls)
        return _entry(fields, urls, trace, bus)
    if isinstance(context, dict) and "httpMethod" in fields:
        raise Failure(
            "This is an event of payload format 1.0 (a REST API's, or a load balancer's); requests "
            "come as format 2.0. `paywright invoke NAME --event FILE` gives it to a function as it "
            "is."
        )
    raise Failure(
        "This is no event of an HTTP API, a queue, a bus or a schedule. "
        "--function NAME gives it to a function as it is."
    )


def _request(event: Mapping[str, Any], urls: Emulated, trace: str) -> Arrived:
    """Send the HTTP request that the gateway would have made this event of."""
    try:
        method = str(event["requestContext"]["http"]["method"])
        path = quote(str(event["rawPath"]), safe="/:@!$&'()*+,;=-._~")
        body = str(event.get("body") or "").encode()
        if event.get("isBase64Encoded"):
            body = base64.b64decode(body, validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(f"This event of an HTTP API is incomplete: {error!r}.") from None
    if urls.gateway_url is None:
        raise Failure("The application that runs here has no HTTP API.")
    target = path + (f"?{event['rawQueryString']}" if event.get("rawQueryString") else "")
    given = event.get("headers") or {}
    headers = {
        name: str(value) for name, value in given.items() if name not in _MADE_BY_THE_GATEWAY
    }
    if event.get("cookies"):
        headers["cookie"] = "; ".join(event["cookies"])
    headers["x-amzn-trace-id"] = f"Root={xray(trace)}"
    answer = call(method, urls.gateway_url + target, body or None, headers=headers)
    status = f"{answer.status} {HTTPStatus(answer.status).phrase}"
    content = answer.body
    if not isinstance(content, str):
        content = json.dumps(content, indent=2, ensure_ascii=False)
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in answer.pairs)]
    return Arrived(
        done=f"Sent {method} {target} to {urls.gateway_url}: {status}.",
        answer="\n".join([*lines, "", content]),
        failed=answer.status >= 500,
        trace=w3c(answer.headers.get("x-trace-id", "")) or trace,
    )


def _messages(records: Sequence[Any], urls: Emulated, trace: str) -> Arrived:
    """Put the messages of an SQS event on their queues."""
    sources = {_source(record) for record in records}
    if sources != {"aws:sqs"}:
        raise Failure(
            f"Nothing here sends events of {', '.join(sorted(sources))}: they come from queues, a "
            "bus, schedules and an HTTP API. --function NAME gives this to a function as it is."
        )
    sqs = aws.client("sqs", urls)
    sent: list[str] = []
    queues: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        queues.setdefault(str(record.get("eventSourceARN", "")), []).append(record)
    for arn, own in queues.items():
        queue = arn.rpartition(":")[2]
        with aws.told():
            url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
            for batch in _batches(own):
                entries = [_message(number, one, trace) for number, one in enumerate(batch)]
                answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
                for refused in answer.get("Failed", ()):
                    raise Failure(f"{queue} refused a message: {refused.get('Message')}.")
                sent += [f"{queue}: message {one['MessageId']}" for one in answer["Successful"]]
    number = f"{len(sent)} message{'s' if len(sent) > 1 else ''}"
    return Arrived(f"Sent {number} to a queue.", answer="\n".join(sent), trace=trace)


def _source(record: Any) -> str:
    fields = record if isinstance(record, dict) else {}
    return str(fields.get("eventSource") or fields.get("EventSource") or "an unknown source")


def _batches(records: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    for first in range(0, len(records), _BATCH):
        yield records[first : first + _BATCH]


def _message(number: int, record: Mapping[str, Any], trace: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "Id": str(number),
        "MessageBody": record["body"],
        "MessageSystemAttributes": {
            "AWSTraceHeader": {"DataType": "String", "StringValue": f"Root={xray(trace)}"}
        },
    }
    system = record.get("attributes") or {}
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        if name in system:
            entry[name] = system[name]
    attributes = {
        name: _attribute(value) for name, value in (record.get("messageAttributes") or {}).items()
    }
    return {**entry, "MessageAttributes": attributes} if attributes else entry


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    found = {"DataType": value["dataType"]}
    if value.get("stringValue") is not None:
        found["StringValue"] = value["stringValue"]
    if value.get("binaryValue") is not None:
        found["BinaryValue"] = base64.b64decode(value["binaryValue"])
    return found


def _entry(event: Mapping[str, Any], urls: Emulated, trace: str, bus: str | None) -> Arrived:
    """Put an event on its bus, which its form does not name."""
    events = aws.client("events", urls)
    with aws.told():
        name = bus or _bus_of(event, [one["Name"] for one in _buses(events)])
        entry = {
            "EventBusName": name,
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"], ensure_ascii=False),
            "Resources": list(event.get("resources") or ()),
            "TraceHeader": f"Root={xray(trace)}",
        }
        answer = events.put_events(Entries=[entry])["Entries"][0]
    if "ErrorCode" in answer:
        raise Failure(f"The bus {name} refused the event: {answer.get('ErrorMessage')}.")
    event_id = str(answer["EventId"])
    done = f"Put {event['detail-type']} on the bus {name}: event {event_id}."
    return Arrived(done, trace=trace, event_id=event_id)


def _buses(events: Any) -> Iterator[Mapping[str, Any]]:
    more: dict[str, str] = {}
    while True:
        page = events.list_event_buses(**more)
        yield from page["EventBuses"]
        if "NextToken" not in page:
            return
        more = {"NextToken": page["NextToken"]}


def _bus_of(event: Mapping[str, Any], names: Sequence[str]) -> str:
    if str(event["source"]).startswith("aws."):
        return "default"
    own = sorted(set(names) - {"default"})
    if len(own) > 1:
        raise Failure(f"There are several buses ({', '.join(own)}): say which with --bus.")
    return own[0] if own else "default"


def _schedule(event: Mapping[str, Any], urls: Emulated) -> Arrived:
    """Fire the schedule, or the rule, that the event names."""
    try:
        resource = str(event["resources"][0]).partition(":")[2].rpartition(":")[2]
        *group, name = resource.split("/")[1:]
    except (KeyError, IndexError, TypeError, ValueError):
        raise Failure("This event of a schedule does not name it in `resources`.") from None
    from cli import schedule  # noqa: PLC0415 - loads the database's driver

    fired = schedule.run(urls, name, group[0] if group else None)
    targets = [one["target"] for one in fired]
    errors = [f"{one['target']}: {one['error']}" for one in fired if one["error"]]
    kind, target = targets[0].split(":")[2], targets[0].rpartition(":")[2]
    return Arrived(
        f"Fired the schedule {name}: sent to {', '.join(targets)}.",
        answer="\n".join(errors),
        failed=bool(errors),
        function=target if kind == "lambda" else None,
    )

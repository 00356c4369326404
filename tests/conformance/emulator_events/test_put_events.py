"""PutEvents and TestEventPattern.

What is refused was recorded on AWS by LocalStack (tests/aws/services/events/test_events.py:
test_put_events_without_source, test_put_event_malformed_detail and others, marked aws.validated).
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ENTRY = {"Source": "shop", "DetailType": "sold", "Detail": "{}"}
EVENT = {
    "id": "1",
    "account": "000000000000",
    "source": "shop",
    "time": "2026-01-01T00:00:00Z",
    "region": "us-east-1",
    "detail-type": "sold",
}


@pytest.fixture
def options(aws_endpoint_url: str) -> dict[str, Any]:
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    return {"endpoint_url": aws_endpoint_url, "region_name": "us-east-1", "config": config}


def _missing(name: str) -> tuple[str, str]:
    reason = f"Parameter {name} is not valid. Reason: {name} is a required argument."
    return "InvalidArgument", reason


MALFORMED = ("MalformedDetail", "Detail is malformed.")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"Source": ""}, _missing("Source")),
        ({"Source": None}, _missing("Source")),
        ({"DetailType": ""}, _missing("DetailType")),
        ({"Detail": ""}, _missing("Detail")),
        ({"Detail": None}, _missing("Detail")),
        ({"Detail": "NotJSON"}, MALFORMED),
        ({"Detail": "[]"}, MALFORMED),
        ({"Detail": "{{}"}, MALFORMED),
        ({"Detail": '"NotJSON"'}, MALFORMED),
        ({"Detail": '{"a": NaN}'}, MALFORMED),
        ({"Detail": "[" * 100_000}, MALFORMED),
        (
            {"Source": "aws.s3"},
            ("NotAuthorizedForSourceException", "Not authorized for the source."),
        ),
    ],
)
def test_an_entry_fails_alone(
    options: dict[str, Any], change: dict[str, Any], expected: tuple[str, str]
) -> None:
    wrong = {name: value for name, value in {**ENTRY, **change}.items() if value is not None}
    events: Any = boto3.client("events", **options)
    answer = events.put_events(Entries=[ENTRY, wrong, ENTRY])
    assert answer["FailedEntryCount"] == 1
    first, failed, last = answer["Entries"]
    assert (failed["ErrorCode"], failed["ErrorMessage"]) == expected
    assert first.keys() == last.keys() == {"EventId"}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "Member must have length greater than or equal to 1"),
        ([ENTRY] * 11, "Member must have length less than or equal to 10"),
        (
            [{**ENTRY, "Detail": json.dumps({"x": "y" * 600_000})}] * 2,
            "Total size of the entries in the request is over the limit.",
        ),
    ],
)
def test_a_request_fails_as_a_whole(options: dict[str, Any], entries: Any, message: str) -> None:
    events: Any = boto3.client("events", **options)
    with pytest.raises(ClientError, match="ValidationException") as refused:
        events.put_events(Entries=entries)
    assert message in refused.value.response["Error"]["Message"]


def test_time_is_the_senders(options: dict[str, Any]) -> None:
    """test_put_events_time: the event's `time` is what the entry said, to the second."""
    events: Any = boto3.client("events", **options)
    sqs: Any = boto3.client("sqs", **options)
    name = f"time-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    pattern = {"source": [name], "time": [{"prefix": "2022-01-0"}]}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": arn["QueueArn"]}])
    times = [datetime(2022, 1, day, 3, 4, 5, 678_000, UTC) for day in (1, 2)]
    entries = [{**ENTRY, "Source": name, "Time": time} for time in times]
    events.put_events(Entries=[*entries, {**ENTRY, "Source": name}])
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    told = sorted(json.loads(message["Body"])["time"] for message in found["Messages"])
    assert told == ["2022-01-01T03:04:05Z", "2022-01-02T03:04:05Z"]
    events.remove_targets(Rule=name, Ids=["q"])
    events.delete_rule(Name=name)
    sqs.delete_queue(QueueUrl=url)


@pytest.mark.parametrize("name", sorted(EVENT))
def test_a_pattern_is_tested_with_whole_events_only(options: dict[str, Any], name: str) -> None:
    """API reference, TestEventPattern, Event: "the following fields are mandatory"."""
    events: Any = boto3.client("events", **options)
    given: Any = {"EventPattern": json.dumps({"source": ["shop"]})}
    assert events.test_event_pattern(**given, Event=json.dumps(EVENT))["Result"] is True
    lacking = {key: value for key, value in EVENT.items() if key != name}
    for event in (json.dumps(lacking), "no JSON", "[]"):
        with pytest.raises(ClientError, match="ValidationException") as refused:
            events.test_event_pattern(**given, Event=event)
        assert refused.value.response["Error"]["Message"] == "Parameter Event is not valid."


def test_the_endpoint_refuses_bad_patterns(options: dict[str, Any]) -> None:
    events: Any = boto3.client("events", **options)
    for operator in (
        {"numeric": ["<", 5, ">", 1]},
        {"numeric": [">", 1e12]},
        {"anything-but": ["a", 1]},
    ):
        pattern = json.dumps({"detail": {"n": [operator]}})
        with pytest.raises(ClientError, match="InvalidEventPatternException"):
            events.put_rule(Name="refused", EventPattern=pattern)
        with pytest.raises(ClientError, match="InvalidEventPatternException"):
            events.test_event_pattern(EventPattern=pattern, Event=json.dumps(EVENT))

"""The endpoint's other doors: move tasks, the query protocol, buses, buckets, `/_emulator/`."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import boto3
import pytest

from tests.waiting import until

XML = "{http://queue.amazonaws.com/doc/2012-11-05/}"


@pytest.fixture
def client(aws_endpoint_url: str) -> Callable[[str], Any]:
    make: Any = boto3.client  # its stubs know services by their literal names
    return lambda name: make(name, endpoint_url=aws_endpoint_url)


@pytest.fixture
def sqs(client: Callable[[str], Any]) -> Any:
    return client("sqs")


def make_queue(sqs: Any, suffix: str = "", **attributes: str) -> tuple[str, str]:
    """A queue's URL and ARN."""
    name = f"e-{uuid.uuid4().hex}{suffix}"
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    names = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, names["Attributes"]["QueueArn"]


def with_dead_letters(sqs: Any) -> tuple[tuple[str, str], tuple[str, str]]:
    dead = make_queue(sqs)
    policy = {"deadLetterTargetArn": dead[1], "maxReceiveCount": 1}
    source = make_queue(sqs, RedrivePolicy=json.dumps(policy))
    return dead, source


def bury(sqs: Any, source: str, *bodies: str) -> list[str]:
    """Send messages and receive each once too often; their ids."""
    ids = [sqs.send_message(QueueUrl=source, MessageBody=body)["MessageId"] for body in bodies]
    for _ in range(2):
        sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return ids


def get(url: str, **headers: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return json.loads(answer.read())


def test_dead_letters_go_back_where_they_came_from(sqs: Any) -> None:
    (dead, dead_arn), (source, _) = with_dead_letters(sqs)
    ids = bury(sqs, source, "a", "b")
    sources = sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"]
    assert sources == [source]
    sqs.start_message_move_task(SourceArn=dead_arn)

    def done() -> bool:
        (task,) = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
        assert (task["SourceArn"], task["ApproximateNumberOfMessagesToMove"]) == (dead_arn, 2)
        return bool(task["Status"] == "COMPLETED" and task["ApproximateNumberOfMessagesMoved"] == 2)

    until(done)
    back = sqs.receive_message(
        QueueUrl=source, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    )["Messages"]
    assert sorted(message["Body"] for message in back) == ["a", "b"]
    for message in back:
        assert message["MessageId"] not in ids, "redriven messages are new messages"
        assert message["Attributes"]["ApproximateReceiveCount"] == "1"
        assert "DeadLetterQueueSourceArn" not in message["Attributes"]


def test_a_slow_move_can_be_cancelled_and_runs_alone(sqs: Any) -> None:
    (_dead, dead_arn), (source, _) = with_dead_letters(sqs)
    _other, other_arn = make_queue(sqs)
    bury(sqs, source, *"abcde")
    request = {"SourceArn": dead_arn, "DestinationArn": other_arn}
    handle = sqs.start_message_move_task(**request, MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    with pytest.raises(Exception, match="There is already a task running"):
        sqs.start_message_move_task(**request)
    answer = sqs.cancel_message_move_task(TaskHandle=handle)
    assert answer["ApproximateNumberOfMessagesMoved"] < 5
    (task,) = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
    assert (task["Status"], task["MaxNumberOfMessagesPerSecond"]) == ("CANCELLED", 1)


def test_a_move_that_finds_no_way_fails(sqs: Any) -> None:
    (dead, dead_arn), _ = with_dead_letters(sqs)
    sqs.send_message(QueueUrl=dead, MessageBody="sent here")
    sqs.start_message_move_task(SourceArn=dead_arn)

    def failed() -> bool:
        (task,) = sqs.list_message_move_tasks(SourceArn=dead_arn)["Results"]
        return bool(task.get("FailureReason") == "CouldNotDetermineMessageSource")

    until(failed)
    assert sqs.receive_message(QueueUrl=dead)["Messages"], "it stays where it was"


def test_a_queue_may_refuse_to_take_dead_letters(sqs: Any) -> None:
    _, arn = make_queue(sqs, RedriveAllowPolicy='{"redrivePermission": "denyAll"}')
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    with pytest.raises(Exception, match="does not allow"):
        make_queue(sqs, RedrivePolicy=policy)


@pytest.mark.parametrize("is_signed", [True, False])
def test_the_query_protocol(aws_endpoint_url: str, is_signed: bool) -> None:
    account = os.environ["AWS_ACCESS_KEY_ID"] if is_signed else "000000000000"
    credential = f"AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/sqs/aws4_request"
    headers = {"authorization": f"{credential}, SignedHeaders=host, Signature=x"}

    def call(**fields: str) -> tuple[int, ElementTree.Element]:
        request = urllib.request.Request(
            aws_endpoint_url,
            data=urllib.parse.urlencode(fields).encode(),
            headers=headers if is_signed else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, ElementTree.fromstring(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, ElementTree.fromstring(error.read())

    def texts(tree: ElementTree.Element, name: str) -> list[str | None]:
        return [element.text for element in tree.iter(f"{XML}{name}")]

    name = f"query-{uuid.uuid4().hex}"
    fields = {"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "7"}
    _, tree = call(Action="CreateQueue", QueueName=name, **fields)
    (url,) = texts(tree, "QueueUrl")
    assert url is not None
    assert url.endswith(f"/{account}/{name}")
    entry = "SendMessageBatchRequestEntry"
    status, tree = call(
        Action="SendMessageBatch",
        QueueUrl=url,
        **{
            f"{entry}.1.Id": "one",
            f"{entry}.1.MessageBody": "<é&\r\n",
            f"{entry}.1.MessageAttribute.1.Name": "n",
            f"{entry}.1.MessageAttribute.1.Value.DataType": "String",
            f"{entry}.1.MessageAttribute.1.Value.StringValue": "v",
            f"{entry}.2.Id": "two",
            f"{entry}.2.MessageBody": "\x01",
        },
    )
    assert status == 200
    assert texts(tree, "Id") == ["one", "two"]
    assert texts(tree, "Code") == ["InvalidMessageContents"]
    assert texts(tree, "SenderFault") == ["true"]
    names = {"AttributeName.1": "All", "MessageAttributeName.1": "All"}
    _, tree = call(Action="ReceiveMessage", QueueUrl=url, **names)
    assert texts(tree, "Body") == ["<é&\r\n"]
    assert texts(tree, "StringValue") == ["v"]
    assert "ApproximateReceiveCount" in texts(tree, "Name")
    (handle,) = texts(tree, "ReceiptHandle")
    entry = "DeleteMessageBatchRequestEntry"
    fields = {f"{entry}.1.Id": "one", f"{entry}.1.ReceiptHandle": str(handle)}
    _, tree = call(Action="DeleteMessageBatch", QueueUrl=url, **fields)
    assert texts(tree, "Id") == ["one"]
    names = {"AttributeName.1": "VisibilityTimeout"}
    _, tree = call(Action="GetQueueAttributes", QueueUrl=url, **names)
    assert texts(tree, "Value") == ["7"]
    status, tree = call(Action="GetQueueUrl", QueueName="nope")
    assert status == 400
    assert texts(tree, "Code") == ["AWS.SimpleQueueService.NonExistentQueue"]


def test_buses_and_buckets_send_to_queues(client: Callable[[str], Any], sqs: Any) -> None:
    events, s3 = client("events"), client("s3")
    url, arn = make_queue(sqs)
    fifo_url, fifo_arn = make_queue(
        sqs, ".fifo", FifoQueue="true", ContentBasedDeduplication="true"
    )
    rule = f"r-{uuid.uuid4().hex}"
    pattern = {"source": ["shop"], "detail": {"a.b": [{"numeric": [">", 1]}]}}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(
        Rule=rule,
        Targets=[
            {"Id": "1", "Arn": arn, "InputPath": "$.detail"},
            {"Id": "2", "Arn": fifo_arn, "SqsParameters": {"MessageGroupId": "g"}},
        ],
    )
    for value in (1, 2):
        detail = json.dumps({"a": {"b": value}})
        entry = {"Source": "shop", "DetailType": "t", "Detail": detail}
        assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(message["Body"]) == {"a": {"b": 2}}
    (message,) = sqs.receive_message(QueueUrl=fifo_url, AttributeNames=["All"])["Messages"]
    assert json.loads(message["Body"])["detail"] == {"a": {"b": 2}}
    assert message["Attributes"]["MessageGroupId"] == "g"
    bucket = f"b-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    wanted = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [wanted]}
    )
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 3_000_000)
    assert len(s3.get_object(Bucket=bucket, Key="k")["Body"].read()) == 3_000_000

    def told() -> bool:
        messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])
        return any("ObjectCreated:Put" in message["Body"] for message in messages)

    until(told)


def test_queues_are_listed_and_shown_without_a_change(aws_endpoint_url: str, sqs: Any) -> None:
    (dead, _), (source, _) = with_dead_letters(sqs)
    sqs.send_message(QueueUrl=source, MessageBody="one")
    sqs.send_message(QueueUrl=source, MessageBody="two", DelaySeconds=900)
    account = os.environ["AWS_ACCESS_KEY_ID"]
    listed = get(f"{aws_endpoint_url}/_emulator/queues?account={account}")["queues"]
    by_url = {item["url"]: item for item in listed}
    assert by_url[dead]["dead_letter_of"] == [source.rpartition("/")[2]]
    mine = by_url[source]
    assert (mine["visible"], mine["in_flight"], mine["delayed"]) == (1, 0, 1)
    assert 0 <= mine["oldest_age_s"] < 60
    assert by_url[dead]["oldest_age_s"] is None
    name = source.rpartition("/")[2]
    for limit, bodies in ((1, ["one"]), (5, ["one", "two"])):
        shown = get(f"{aws_endpoint_url}/_emulator/queues/{name}/messages?limit={limit}")
        assert [message["body"] for message in shown["messages"]] == bodies
    assert shown["messages"][0]["attributes"]["ApproximateReceiveCount"] == "0"
    assert [message["state"] for message in shown["messages"]] == ["visible", "delayed"]
    pages = get(f"{aws_endpoint_url}/_ministack/sqs/messages?account={account}&QueueUrl={source}")
    assert "two" in json.dumps(pages)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("queues/nope/messages", {}, 404),
        ("nope", {}, 404),
        ("schedules/version?after=x", {}, 400),
        ("schedules/version?after=nan", {}, 400),
    ],
)
def test_what_the_emulators_paths_refuse(
    aws_endpoint_url: str, path: str, headers: dict[str, str], status: int
) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(f"{aws_endpoint_url}/_emulator/{path}", **headers)
    assert caught.value.code == status
    caught.value.close()


@pytest.mark.parametrize(
    ("origin", "is_served"),
    [
        ("http://evil.example", False),
        ("http://localhost.evil.example:4566", False),
        ("null", False),
        ("http://localhost:5173", True),
    ],
)
@pytest.mark.parametrize("path", ["_emulator/queues", "_ministack/health", "?Action=ListQueues"])
def test_web_pages_of_other_hosts_are_refused(
    aws_endpoint_url: str, path: str, origin: str, is_served: bool
) -> None:
    headers = {"Origin": origin}
    request = urllib.request.Request(f"{aws_endpoint_url}/{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    assert (status == 200) is is_served
    assert status in (200, 403)


@pytest.mark.parametrize(
    ("header", "value", "is_served"),
    [
        ("Host", "evil.example", False),
        ("Host", "localhost:4566", True),
        ("Host", "bucket.localhost", True),
        ("Sec-Fetch-Site", "cross-site", False),
        ("Sec-Fetch-Site", "none", True),
    ],
)
def test_names_and_links_of_other_hosts_are_refused(
    aws_endpoint_url: str, header: str, value: str, is_served: bool
) -> None:
    request = urllib.request.Request(
        f"{aws_endpoint_url}/_emulator/queues", headers={header: value}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    assert status == (200 if is_served else 403)


def test_entries_that_are_no_structures_are_refused(aws_endpoint_url: str) -> None:
    queue = boto3.client("sqs", endpoint_url=aws_endpoint_url).create_queue(QueueName="entries")
    body = json.dumps({"QueueUrl": queue["QueueUrl"], "Entries": [5]}).encode()
    headers = {
        "x-amz-target": "AmazonSQS.SendMessageBatch",
        "content-type": "application/x-amz-json-1.0",
    }
    request = urllib.request.Request(aws_endpoint_url, data=body, headers=headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    assert caught.value.code == 400
    assert b"InvalidParameterValue" in caught.value.read()
    caught.value.close()


def test_a_change_of_schedules_is_told_at_once(start: Callable[[], Any]) -> None:
    endpoint = start()
    path = f"{endpoint.url}/_emulator/schedules/version"
    known = get(path)["version"]
    assert get(f"{path}?after={known}&wait_s=0.05")["version"] == known
    heard: list[int] = []
    poll = threading.Thread(
        target=lambda: heard.append(get(f"{path}?after={known}&wait_s=20")["version"])
    )
    poll.start()
    begun = time.monotonic()
    endpoint.client("scheduler").create_schedule_group(Name="g")
    poll.join(timeout=20)
    assert heard == [known + 1]
    assert time.monotonic() - begun < 10
    events = endpoint.client("events")
    events.put_rule(Name="r", ScheduleExpression="rate(1 minute)")
    assert get(path)["version"] == known + 2
    events.put_events(Entries=[{"Source": "x", "DetailType": "t", "Detail": "{}"}])
    events.list_rules()
    assert get(path)["version"] == known + 2, "only changes count"

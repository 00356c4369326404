"""Event source mappings against what AWS does: real functions, a real queue endpoint.

Each row of `cases/sqs_esm_cases.json` named esm-NN tells its own source: recorded on AWS by
LocalStack's validated tests, or the Lambda Developer Guide. All rows' messages go through one
emulator at the same time; each test then looks at what became of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from emulator.app import Addresses, Emulator
from emulator.aws import Aws
from emulator.runtime import RuntimeSettings
from emulator.template.parse import load
from tests.integration.emulator_events.conftest import REGION
from tests.waiting import eventually

FILE = Path(__file__).parent / "cases" / "sqs_esm_cases.json"
CASES: dict[str, Any] = {case["id"]: case for case in json.loads(FILE.read_text())["cases"]}

pytestmark = pytest.mark.xdist_group("sqs_mappings")

CODE = """
import json, os, pathlib

def handler(event, context):
    records = event["Records"]
    row = records[0]["eventSourceARN"].rpartition("--")[2].removesuffix(".fifo")
    with pathlib.Path(os.environ["SEEN"], row).open("a") as seen:
        seen.write(json.dumps(records) + "\\n")
    behaviour = json.loads(pathlib.Path(os.environ["SEEN"], "behaviours").read_text())[row]
    counts = [int(r["attributes"]["ApproximateReceiveCount"]) for r in records]
    if behaviour == "raises":
        raise RuntimeError(behaviour)
    if behaviour == "fails by body":  # a body says how often it fails
        fails = [json.loads(r["body"])["fails"] for r in records]
        failing = [r for r, count, n in zip(records, counts, fails) if count <= n]
        if row == "esm-17" and failing:  # it stops at the first one
            failing = records[records.index(failing[0]):]
        return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in failing]}
    if behaviour and counts[0] == 1:
        for number, record in enumerate(records, 1):
            behaviour = behaviour.replace(f"<id{number}>", record["messageId"])
        return json.loads(behaviour)
"""
QUEUE = """
  {0}Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${{P}}--{1}{2}"
      VisibilityTimeout: 5
      RedrivePolicy: {{deadLetterTargetArn: !GetAtt {0}Dead.Arn, maxReceiveCount: 2}}{3}
  {0}Dead:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${{P}}-dead--{1}{2}"{3}
  {0}Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {{FunctionName: !Ref Work, EventSourceArn: !GetAtt {0}Queue.Arn, {4}}}
"""
HEAD = """
Transform: AWS::Serverless-2016-10-31
Parameters: {P: {Type: String}, Seen: {Type: String}}
Resources:
  Work:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${P}-work"
      Handler: app.handler
      Runtime: python3.13
      CodeUri: code
      Environment: {Variables: {SEEN: !Ref Seen}}
"""
PARTIAL = "FunctionResponseTypes: [ReportBatchItemFailures]"
THREE = "BatchSize: 3, MaximumBatchingWindowInSeconds: 20"
FILTER = 'FilterCriteria: {Filters: [{Pattern: \'{"body": {"my-key": ["my-value"]}}\'}]}'


@dataclass(frozen=True)
class Row:
    """What is sent, what the function does with it, and how its mapping is set up."""

    bodies: list[Any]
    behaviour: str
    options: str
    is_fifo: bool = False


def answered(row: str) -> Row:
    bodies = [{"n": 1}, {"n": 2}, {"n": 3}]
    return Row(bodies, CASES[row]["lambda_result"], f"{THREE}, {PARTIAL}")


def failing(*times: int) -> Row:
    bodies = [{"n": number, "fails": count} for number, count in enumerate(times, 1)]
    return Row(bodies, "fails by body", PARTIAL, is_fifo=True)


ROWS: Mapping[str, Row] = {
    **{row: answered(row) for row in ("esm-01", "esm-03", "esm-05", "esm-07", "esm-09")},
    "esm-11": Row([{"n": 1}, {"n": 2}, {"n": 3}], "raises", f"{THREE}, {PARTIAL}"),
    "esm-13": Row([{"n": 1}], "raises", "BatchSize: 1"),
    "esm-15": failing(0, 1, 1, 9),
    "esm-17": failing(0, 1, 0, 0),
    "esm-23": Row([{"n": 1}], "", "BatchSize: 1", is_fifo=True),
    "esm-25": Row([{"my-key": "other"}, "not an object", {"my-key": "my-value"}], "", FILTER),
}


@dataclass
class Seen:
    """What a row's function got, batch by batch, and what its dead-letter queue then held."""

    batches: list[list[dict[str, Any]]]
    dead: list[dict[str, Any]]

    @property
    def bodies(self) -> list[list[int]]:
        return [[json.loads(r["body"])["n"] for r in batch] for batch in self.batches]


def template() -> str:
    return HEAD + "".join(
        QUEUE.format(
            name.replace("-", ""),
            name,
            ".fifo" * row.is_fifo,
            "\n      FifoQueue: true" * row.is_fifo,
            row.options,
        )
        for name, row in ROWS.items()
    )


async def run_row(name: str, prefix: str, aws: Aws, folder: Path) -> Seen:
    """Send a row's messages, wait until its queue is empty, and look."""
    row = ROWS[name]
    suffix = f"--{name}{'.fifo' * row.is_fifo}"
    url = (await aws.sqs.get_queue_url(QueueName=f"{prefix}{suffix}"))["QueueUrl"]
    entries = [
        {"Id": str(number), "MessageBody": json.dumps(body)}
        | ({"MessageGroupId": "g", "MessageDeduplicationId": str(number)} if row.is_fifo else {})
        for number, body in enumerate(row.bodies)
    ]
    assert not (await aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)).get("Failed")

    async def is_empty() -> bool:
        answer = await aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return not any(
            int(value) for key, value in answer["Attributes"].items() if key.startswith("Approx")
        )

    await eventually(is_empty)
    dead_url = (await aws.sqs.get_queue_url(QueueName=f"{prefix}-dead{suffix}"))["QueueUrl"]
    letters = await aws.sqs.receive_message(
        QueueUrl=dead_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    )
    written = folder / name
    lines = written.read_text().splitlines() if written.exists() else []
    return Seen([json.loads(line) for line in lines], letters.get("Messages", []))


async def run_all(folder: Path, aws_endpoint_url: str) -> dict[str, Seen]:
    path = folder / "template.yaml"
    path.write_text(template())
    (folder / "behaviours").write_text(
        json.dumps({name: row.behaviour for name, row in ROWS.items()})
    )
    prefix = f"t{uuid.uuid4().hex[:8]}"
    account = os.environ["AWS_ACCESS_KEY_ID"]
    app = load(path, {"P": prefix, "Seen": str(folder)}, account_id=account)
    assert not app.warnings
    work = f"{prefix}-work"
    emulator = Emulator(
        app,
        lambda *_args, **_more: None,
        addresses=Addresses("127.0.0.1", 0, 0),
        settings=RuntimeSettings(
            reload=False, max_environments=len(ROWS), prewarm={work: len(ROWS)}
        ),
        aws_endpoint=aws_endpoint_url,
    )
    await emulator.start()

    async def is_warm() -> bool:
        return emulator.runtime.pool(work).idle == len(ROWS)

    try:
        await eventually(is_warm)
        async with Aws(aws_endpoint_url, REGION) as aws:
            found = await asyncio.gather(*(run_row(name, prefix, aws, folder) for name in ROWS))
    finally:
        await emulator.stop()
    return dict(zip(ROWS, found, strict=True))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, aws_endpoint_url: str) -> dict[str, Seen]:
    folder = tmp_path_factory.mktemp("rows")
    (folder / "code").mkdir()
    (folder / "code/app.py").write_text(CODE)
    return asyncio.run(run_all(folder, aws_endpoint_url))


@pytest.mark.parametrize(
    ("row", "again"),
    [("esm-01", []), ("esm-03", []), ("esm-05", [2]), ("esm-07", [1, 2, 3]), ("esm-09", [1, 2, 3])],
)
def test_what_an_answer_keeps_in_the_queue(
    seen: dict[str, Seen], row: str, again: list[int]
) -> None:
    first, *more = seen[row].batches
    assert sorted(seen[row].bodies[0]) == [1, 2, 3]
    assert {r["attributes"]["ApproximateReceiveCount"] for r in first} == {"1"}
    returned = [r for batch in more for r in batch]
    assert sorted(json.loads(r["body"])["n"] for r in returned) == again
    assert {r["attributes"]["ApproximateReceiveCount"] for r in returned} <= {"2"}
    assert seen[row].dead == []


def test_a_function_that_raises_fails_good_and_bad_alike(seen: dict[str, Seen]) -> None:
    letters = [json.loads(letter["Body"])["n"] for letter in seen["esm-11"].dead]
    assert sorted(letters) == [1, 2, 3]


def test_maximum_receives_then_the_dead_letter_queue_with_the_same_id(
    seen: dict[str, Seen],
) -> None:
    (letter,) = seen["esm-13"].dead
    records = [record for (record,) in seen["esm-13"].batches]
    assert [r["attributes"]["ApproximateReceiveCount"] for r in records] == ["1", "2"]
    assert {r["messageId"] for r in records} == {letter["MessageId"]}


def test_a_group_goes_on_in_order_with_what_failed(seen: dict[str, Seen]) -> None:
    assert seen["esm-15"].bodies == [[1, 2, 3, 4], [2, 3, 4]]
    assert [json.loads(letter["Body"])["n"] for letter in seen["esm-15"].dead] == [4]


def test_a_function_that_stops_at_its_first_failure_keeps_the_order(seen: dict[str, Seen]) -> None:
    assert seen["esm-17"].bodies == [[1, 2, 3, 4], [2, 3, 4]]
    assert seen["esm-17"].dead == []


def test_the_shape_of_a_record(seen: dict[str, Seen]) -> None:
    (((record,),), account) = seen["esm-23"].batches, os.environ["AWS_ACCESS_KEY_ID"]
    assert record.keys() == {
        "messageId",
        "receiptHandle",
        "body",
        "attributes",
        "messageAttributes",
        "md5OfBody",
        "eventSource",
        "eventSourceARN",
        "awsRegion",
    }
    assert (record["eventSource"], record["awsRegion"]) == ("aws:sqs", REGION)
    assert record["eventSourceARN"].startswith(f"arn:aws:sqs:{REGION}:{account}:")
    assert record["messageAttributes"] == {}
    assert all(isinstance(value, str) for value in record["attributes"].values())
    assert record["attributes"].keys() >= {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
        "MessageGroupId",
        "MessageDeduplicationId",
        "SequenceNumber",
    }


def test_what_a_filter_keeps_out_is_deleted(seen: dict[str, Seen]) -> None:
    # What it lets through may come twice, as from any standard queue; the rest not once.
    got = [json.loads(r["body"]) for batch in seen["esm-25"].batches for r in batch]
    assert got
    assert all(body == {"my-key": "my-value"} for body in got)
    assert seen["esm-25"].dead == []


@pytest.mark.parametrize(
    ("row", "events", "reason"),
    [
        (
            "esm-19",
            "A: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: 11}}",
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is"
            " greater than 10",
        ),
        (
            "esm-21",
            "A: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}, "
            "B: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}",
            "is mapped to local-Q",
        ),
    ],
)
def test_a_mapping_that_aws_refuses_is_told(
    tmp_path: Path, row: str, events: str, reason: str
) -> None:
    path = tmp_path / "template.yaml"
    path.write_text(
        "Transform: AWS::Serverless-2016-10-31\nResources:\n  Q: {Type: AWS::SQS::Queue}\n"
        "  F:\n    Type: AWS::Serverless::Function\n    Properties:\n"
        "      {Handler: a.b, Runtime: python3.13, CodeUri: ., Events: {" + events + "}}\n"
    )
    (warning,) = load(path).warnings
    assert reason in warning, CASES[row]["expect"]

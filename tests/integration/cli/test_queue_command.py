"""`paywright queue` against real endpoints: the emulator's own, and one that is only SQS."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.aws import client
from cli.errors import Failure
from cli.main import app
from cli.queue_view import duration, pretty

PLAIN = "ministack.app"


class Queues:
    """Queues of one test: `q` with its dead letters `q-dlq`, on one endpoint."""

    def __init__(self, url: str, *, fifo: bool = False) -> None:
        self.url = url
        self.sqs = client("sqs", url)
        self.prefix = f"t{uuid.uuid4().hex[:8]}-"
        self.end = ".fifo" * fifo
        kind = {"FifoQueue": "true"} if fifo else {}
        self.dead = self.make(f"q-dlq{self.end}", kind)
        arn = self.attribute(self.dead, "QueueArn")
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
        self.queue = self.make(f"q{self.end}", {"RedrivePolicy": policy, **kind})

    def make(self, name: str, attributes: dict[str, str] | None = None) -> str:
        answer = self.sqs.create_queue(QueueName=self.prefix + name, Attributes=attributes or {})
        return str(answer["QueueUrl"])

    def attribute(self, url: str, name: str) -> str:
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return str(answer["Attributes"][name])

    def depth(self, url: str) -> int:
        return int(self.attribute(url, "ApproximateNumberOfMessages"))

    def send(self, url: str, *bodies: str) -> None:
        for body in bodies:
            more = {"MessageGroupId": "g", "MessageDeduplicationId": body} if self.end else {}
            traced = {"a": {"DataType": "String", "StringValue": body}}
            self.sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=traced, **more)

    def receive(self, url: str) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return list(answer.get("Messages", []))

    def fail(self, *bodies: str) -> None:
        """Bring messages to the dead-letter queue as a consumer does that gives up."""
        self.send(self.queue, *bodies)
        for message in self.receive(self.queue):
            self.sqs.change_message_visibility(
                QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        assert self.receive(self.queue) == []
        assert self.depth(self.dead) == len(bodies)

    def run(self, *arguments: str, given: str = "") -> Result:
        arguments = ("queue", *arguments, "--endpoint-url", self.url)
        return CliRunner().invoke(app, arguments, input=given)


@pytest.fixture(scope="module")
def plain_url() -> Iterator[str]:
    """MiniStack as it comes: no paths of the emulator's, no message move tasks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "sqs"}
    settings |= {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "LOG_LEVEL": "WARNING"}
    process = subprocess.Popen([sys.executable, "-m", PLAIN], env={**os.environ, **settings})
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{url}/_ministack/ready", timeout=2).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture(params=["own", "plain"])
def any_url(request: pytest.FixtureRequest) -> str:
    fixture = {"own": "aws_endpoint_url", "plain": "plain_url"}[request.param]
    return str(request.getfixturevalue(fixture))


def test_list_tells_depth_and_age_and_ties_dead_letters(aws_endpoint_url: str) -> None:
    queues = Queues(aws_endpoint_url)
    queues.make("emulator-rule-not-at-the-beginning")
    queues.fail("bad")
    queues.send(queues.queue, "good", "better")
    found = {queue["name"]: queue for queue in json.loads(queues.run("list", "--json").stdout)}
    queue, dead = found[f"{queues.prefix}q"], found[f"{queues.prefix}q-dlq"]
    assert (queue["visible"], queue["in_flight"], queue["delayed"]) == (2, 0, 0)
    assert (queue["dead_letter_queue"], queue["max_receives"]) == (dead["name"], 1)
    assert (dead["visible"], dead["dead_letters_of"]) == (1, [queue["name"]])
    assert queue["oldest_s"] in range(60)
    lines = {line.split()[0]: line for line in queues.run("list").stdout.splitlines()}
    assert f"of {queue['name']}" in lines[dead["name"]]
    assert f"to {dead['name']} after 1 receives" in lines[queue["name"]]


def test_the_emulators_own_queues_are_shown_when_asked_for(aws_endpoint_url: str) -> None:
    name = f"emulator-rule-{uuid.uuid4().hex}"
    queues = Queues(aws_endpoint_url)
    queues.sqs.create_queue(QueueName=name)
    assert name not in queues.run("list").stdout
    assert name in queues.run("list", "--all").stdout


def test_names_without_prefix_and_near_ones(aws_endpoint_url: str) -> None:
    queues = Queues(aws_endpoint_url)
    mark = uuid.uuid4().hex[:8]
    queues.make(f"{mark}-delivery")
    assert queues.run("peek", f"{mark}-delivery").exit_code == 0
    assert queues.run("peek", queues.attribute(queues.dead, "QueueArn")).exit_code == 0
    unknown = queues.run("peek", f"{mark}-delivry").exception
    assert isinstance(unknown, Failure)
    assert f"There is no queue {mark}-delivry: did you mean {queues.prefix}{mark}-d" in str(unknown)
    queues.make(f"second-{mark}-delivery")
    both = queues.run("purge", f"{mark}-delivery", "--yes").exception
    assert isinstance(both, Failure)
    assert "give the whole name" in str(both)


def test_peek_shows_bodies_and_why_and_counts_nothing(aws_endpoint_url: str) -> None:
    queues = Queues(aws_endpoint_url)
    queues.fail('{"payment": {"amount": 5}}')
    for _ in range(3):
        shown = queues.run("peek", f"{queues.prefix}q-dlq")
    assert '   {\n     "payment": {\n       "amount": 5\n     }\n   }\n' in shown.stdout
    assert f"why: {queues.prefix}q gave it up" in shown.stdout
    assert "received 1 times" not in shown.stderr
    (message,) = queues.receive(queues.dead)
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"  # in the queue, and just now


def test_peek_elsewhere_receives_says_so_and_lets_go(plain_url: str) -> None:
    queues = Queues(plain_url)
    queues.send(queues.dead, *[str(number) for number in range(25)])
    shown = queues.run("peek", f"{queues.prefix}q-dlq", "--limit", "23", "--json")
    bodies = [message["body"] for message in json.loads(shown.stdout)]
    assert sorted(bodies, key=int) == [str(number) for number in range(23)]
    assert "receive count has grown by one" in shown.stderr
    assert queues.depth(queues.dead) == 25


def test_redrive_brings_dead_letters_back(any_url: str) -> None:
    queues = Queues(any_url)
    queues.fail("a", "b", "c")
    done = queues.run("redrive", f"{queues.prefix}q-dlq")
    assert done.stdout == f"3 messages moved from {queues.prefix}q-dlq.\n"
    messages = queues.receive(queues.queue)
    assert sorted(message["Body"] for message in messages) == ["a", "b", "c"]
    assert {m["MessageAttributes"]["a"]["StringValue"] for m in messages} == {"a", "b", "c"}
    assert queues.run("redrive", f"{queues.prefix}q-dlq").stdout.startswith("0 messages")


def test_redrive_to_another_queue_with_a_limit(any_url: str) -> None:
    queues = Queues(any_url)
    queues.fail(*"abcde")
    other = queues.make("other")
    done = queues.run(
        "redrive", f"{queues.prefix}q-dlq", "--to", f"{queues.prefix}other", "--limit", "2"
    )
    assert done.exit_code == 0
    assert (queues.depth(other), queues.depth(queues.dead)) == (2, 3)


def test_redrive_of_a_group_is_not_taken_for_a_duplicate(any_url: str) -> None:
    queues = Queues(any_url, fifo=True)
    queues.fail("a")
    assert queues.run("redrive", f"{queues.prefix}q-dlq.fifo", "--limit", "5").exit_code == 0
    (message,) = queues.receive(queues.queue)
    assert (message["Body"], message["Attributes"]["MessageGroupId"]) == ("a", "g")
    assert queues.depth(queues.dead) == 0


def test_what_its_queue_refuses_stays_a_dead_letter(aws_endpoint_url: str) -> None:
    queues = Queues(aws_endpoint_url)
    queues.fail("small", "x" * 2_000)
    small = queues.make("small", {"MaximumMessageSize": "1024"})
    arguments = ("redrive", "q-dlq", "--to", "small", "--limit", "9")
    failed = queues.run(*(queues.prefix + a if a in ("q-dlq", "small") else a for a in arguments))
    assert isinstance(failed.exception, Failure)
    assert "1 messages stay" in str(failed.exception)
    assert (queues.depth(small), queues.depth(queues.dead)) == (1, 1)


def test_redrive_of_a_queue_that_takes_no_dead_letters(aws_endpoint_url: str) -> None:
    queues = Queues(aws_endpoint_url)
    failed = queues.run("redrive", f"{queues.prefix}q")
    assert "say with --to where to move them" in str(failed.exception)


def test_redrive_of_what_was_sent_to_the_dead_letter_queue_itself(aws_endpoint_url: str) -> None:
    queues = Queues(aws_endpoint_url)
    queues.send(queues.dead, "straight")
    failed = queues.run("redrive", f"{queues.prefix}q-dlq")
    assert isinstance(failed.exception, Failure)
    assert f"was sent to {queues.prefix}q-dlq itself" in str(failed.exception)
    assert str(failed.exception).endswith("say where with --to.")
    assert queues.depth(queues.dead) == 1
    moved = queues.run("redrive", f"{queues.prefix}q-dlq", "--to", f"{queues.prefix}q")
    assert moved.stdout.startswith("1 messages moved")


def test_purge_asks_first(aws_endpoint_url: str) -> None:
    queues = Queues(aws_endpoint_url)
    queues.send(queues.queue, "a", "b")
    refused = queues.run("purge", f"{queues.prefix}q", given="n\n")
    assert refused.exit_code == 1
    assert queues.depth(queues.queue) == 2
    assert queues.run("purge", f"{queues.prefix}q", "--yes").exit_code == 0
    assert queues.depth(queues.queue) == 0


def test_no_system_no_endpoint() -> None:
    runner = CliRunner()
    both = runner.invoke(app, ["queue", "list", "--aws", "--endpoint-url", "http://127.0.0.1:1"])
    assert isinstance(both.exception, Failure)
    nobody = runner.invoke(app, ["queue", "list", "--endpoint-url", "http://127.0.0.1:1"])
    assert isinstance(nobody.exception, Failure)
    assert "127.0.0.1:1" in str(nobody.exception)


def test_a_body_cannot_steer_the_terminal() -> None:
    assert pretty("\x1b[2Jhello\x9b") == "\\x1b[2Jhello\\x9b"
    assert "\x9b" not in pretty(json.dumps({"a": "\x9b"}))


def test_a_body_of_lists_too_deep_is_shown_as_it_is() -> None:
    assert pretty("[" * 100_000) == "[" * 100_000


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_300, "2 h"), (1e6, "11 d")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text

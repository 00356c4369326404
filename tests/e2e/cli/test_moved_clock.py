"""`paywright clock` and `paywright schedule` on the whole platform, in a home of their own."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from cli import aws
from cli.api import call
from paywright.db import Database
from paywright.ledger.verify import verify
from tests.receivers import Receiver
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("moved_clock")


@pytest.fixture(scope="module")
def moved(new_home):
    """A system of these tests' own: no clock goes back."""
    made = new_home()
    made.up("--param=ProcessorTimeoutS=1")
    yield made
    assert made.run("down").returncode == 0


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


def pay(paywright, key: str | None = None) -> Any:
    method = paywright.demo.payment_method_id
    content = {"amount": 1999, "currency": "usd", "capture": True, "payment_method_id": method}
    answer = paywright.api.post("/v1/payments", content, idempotency_key=key)
    assert answer.status == 201, answer.body
    return answer


def business_now(paywright) -> datetime:
    return datetime.fromisoformat(paywright.json("clock", "show")["now"])


def ledger_is_sequenced(paywright) -> bool:
    with psycopg.connect(paywright.urls.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM ledger_unsequenced").fetchone()
        assert row is not None
        return bool(row[0] == 0)


def webhook_of(paywright, payment_id: str) -> Any:
    for item in call("GET", f"{paywright.urls.receiver_url}/received").body:
        payload = item.get("payload") or {}
        if payload.get("data", {}).get("object", {}).get("id") == payment_id:
            return item
    return None


def test_time_moves_for_the_whole_platform_at_once(moved):
    before = pay(moved, "the-same-key")
    assert pay(moved, "the-same-key").body["id"] == before.body["id"]
    shown = moved.json("clock", "advance", "25h")
    assert shown["offset_s"] == 25 * 3600
    after = pay(moved, "the-same-key")
    assert after.body["id"] != before.body["id"]  # a day is over, for database and cache
    assert "idempotent-replayed" not in after.headers
    assert pay(moved, "the-same-key").body["id"] == after.body["id"]
    created = [datetime.fromisoformat(answer.body["created_at"]) for answer in (before, after)]
    assert timedelta(hours=25) <= created[1] - created[0] < timedelta(hours=25, minutes=2)
    assert created[1] <= business_now(moved)

    far = moved.json("clock", "advance", "1000d")  # long after every month that had a partition
    assert far["schedules_due"] == 4
    payment = pay(moved).body
    assert payment["created_at"][:10] == far["now"][:10]
    assert payment["status"] == "captured"
    item = until(lambda: webhook_of(moved, payment["id"]), "the webhook")
    assert item["verified"]  # signed in wall time, which receivers check
    until(lambda: ledger_is_sequenced(moved), "sequencing")
    database = Database(moved.urls.database_url)
    assert verify(database, now=business_now(moved)).problems == []
    database.close()
    log = (moved.home.logs / "emulator.log").read_text()
    assert '"level":"ERROR"' not in log.replace(" ", "")


def new_method(paywright, what: dict[str, Any]) -> str:
    customer = paywright.api.created("/v1/customers", {})["id"]
    path = f"/v1/customers/{customer}/payment_methods"
    return str(paywright.api.created(path, what)["id"])


def card(paywright, number: str) -> str:
    details = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    return new_method(paywright, {"type": "card", "card": details})


def account(paywright, number: str) -> str:
    details = {"account_number": number, "routing_number": "110000000", "country": "US"}
    details |= {"currency": "usd", "account_holder_name": "Ada"}
    return new_method(paywright, {"type": "bank_account", "bank_account": details})


def test_what_was_open_is_decided_by_itself_as_time_passes(moved):
    def start(method: str, *, capture: bool = True) -> str:
        content = {"amount": 1000, "currency": "usd", "payment_method_id": method}
        return str(moved.api.created("/v1/payments", {**content, "capture": capture})["id"])

    unanswered = start(card(moved, "4000000000003006"))
    held, hold = card(moved, "4000000000003055"), moved.demo.payment_method_id
    captured, expiring = start(held, capture=False), start(hold, capture=False)
    moved.api.post(f"/v1/payments/{captured}/capture", {})
    refunded = start(card(moved, "4000000000007726"))
    moved.api.post(f"/v1/payments/{refunded}/refund", {})
    transferred = start(account(moved, "000123456789"))
    returned = start(account(moved, "000222222227"))
    payments = (unanswered, captured, expiring, refunded, transferred, returned)

    def states() -> list[tuple[str, str | None]]:
        shown = [moved.api.get(f"/v1/payments/{payment}").body for payment in payments]
        return [(each["status"], each["pending_reason"]) for each in shown]

    unknown, at_the_bank = ("pending", "processor_unknown"), ("pending", "bank_transfer")
    begun = [unknown, unknown, ("authorized", None), ("captured", None), at_the_bank, at_the_bank]
    assert states() == begun
    moved.json("clock", "advance", "8d")
    done = ["captured", "captured", "voided", "refunded", "captured", "failed"]
    until(lambda: states() == [(status, None) for status in done], f"{done}")
    assert moved.api.get(f"/v1/payments/{expiring}").body["void_reason"] == "expired"
    assert json.loads(moved.run("operations", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ("0s", "paywright: The clock only moves forward: give a time longer than 0."),
        ("-5h", "No such option"),
        ("yesterday", "is no length of time"),
        ("11000d", "at most ten years"),
    ],
)
def test_a_clock_that_cannot_move_so_stays(moved, step, sentence):
    offset = moved.json("clock", "show")["offset_s"]
    done = moved.run("clock", "advance", step)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert moved.json("clock", "show")["offset_s"] == offset


def test_an_operators_schedules_fire_in_order_as_time_moves(moved):
    scheduler, sqs = aws.client("scheduler", moved.urls), aws.client("sqs", moved.urls)
    url = sqs.create_queue(QueueName="nights")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    role = "arn:aws:iam::000000000000:role/scheduler"
    target = {"Arn": arn["QueueArn"], "RoleArn": role, "Input": "<aws.scheduler.scheduled-time>"}
    window = {"Mode": "OFF"}
    midnight = business_now(moved).replace(hour=0, minute=0, second=0)
    scheduler.create_schedule(
        Name="nightly",
        ScheduleExpression="cron(0 2 * * ? *)",
        Target=target,
        FlexibleTimeWindow=window,
    )
    noon = midnight + timedelta(days=2, hours=12)
    scheduler.create_schedule(
        Name="once",
        ScheduleExpression=f"at({noon:%Y-%m-%dT%H:%M:%S})",
        Target=target,
        FlexibleTimeWindow=window,
        ActionAfterCompletion="DELETE",
    )
    until(lambda: {"nightly", "once"} <= names(moved), "picking them up")
    foretold = json.loads(moved.run("schedule", "next", "nightly", "-n", "3", "--json").stdout)
    begun = business_now(moved)
    moved.json("clock", "advance", "3d")
    due = [midnight.replace(hour=2) + timedelta(days=day) for day in range(4)]
    due = sorted([at for at in [*due, noon] if begun < at <= begun + timedelta(days=3)])
    expected = [f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for at in due]
    bodies: list[str] = []

    def receive() -> bool:
        answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        for message in answer.get("Messages", ()):
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(bodies) >= len(expected)

    until(receive, "firing")
    assert bodies == expected
    assert [row["at"] for row in foretold] == [at for at in expected if "T02:" in at]
    until(lambda: "once" not in names(moved), "deleting what is over")

    assert moved.run("schedule", "disable", "nightly").returncode == 0
    until(lambda: not listed(moved)["nightly"]["enabled"], "disabling")
    assert scheduler.get_schedule(Name="nightly")["Target"] == target
    assert moved.run("schedule", "run", "nightly").returncode == 0
    (message,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    assert message["Body"][:13] == f"{business_now(moved).astimezone(UTC):%Y-%m-%dT%H}"
    assert moved.run("schedule", "enable", "nightly").returncode == 0
    until(lambda: listed(moved)["nightly"]["next"], "enabling")


def listed(paywright) -> dict[str, Any]:
    rows = json.loads(paywright.run("schedule", "list", "--json").stdout)
    return {row["name"]: row for row in rows}


def names(paywright) -> set[str]:
    return set(listed(paywright))


def test_schedules_are_shown_for_people(moved):
    shown = moved.run("schedule", "list").stdout
    header, *lines = shown.splitlines()
    titles = ("name", "group", "expression", "zone", "target", "state", "next", "last")
    assert tuple(header.split()) == titles
    (relay,) = (line for line in lines if line.startswith("relay"))
    assert "rate(1 minute)" in relay
    assert "lambda relay" in relay
    expression = ["--expression", "cron(0 9 1 6 ? 2090)", "--timezone", "Europe/Berlin"]
    done = moved.run("schedule", "next", *expression)
    assert done.stdout == "2090-06-01T07:00:00Z  2090-06-01 09:00:00 Europe/Berlin\n"
    endpoint = f"--endpoint-url={moved.urls.aws_endpoint_url}"
    account = {"AWS_ACCESS_KEY_ID": "test"}  # the system's; this test run has others
    assert "relay" in moved.run("schedule", "list", endpoint, env=account).stdout
    away = moved.run("schedule", "run", "relay", endpoint)
    assert away.stderr.startswith("paywright: Only a local run can fire a schedule by hand")
    missing = moved.run("schedule", "run", "nothing")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "There is no schedule nothing" in missing.stderr
    wrong = moved.run("schedule", "next", "--expression", "cron(* * * * * *)")
    assert "exactly one of day-of-month and day-of-week" in wrong.stderr


def test_a_clock_that_got_lost_is_put_where_it_was(moved, receiver: Receiver):
    """Else an endpoint that was made before would want nothing until its time has come again."""
    moved.json("clock", "advance", "10d")
    endpoint = moved.api.created("/v1/webhook_endpoints", {"url": receiver.url})
    made = datetime.fromisoformat(endpoint["created_at"])
    assert moved.run("down").returncode == 0
    moved.home.clock_file.unlink()
    assert "behind what the database has seen, and was moved there" in moved.up()
    assert business_now(moved) >= made
    pay(moved)
    until(lambda: receiver.received, "the webhook of a payment")


def test_the_clock_survives_a_restart_and_is_wiped_by_reset(moved):
    offset = moved.json("clock", "show")["offset_s"]
    assert "ahead of this machine's" in moved.run("status").stdout
    assert "nightly" in names(moved)
    assert moved.run("down").returncode == 0
    assert "ahead, until `paywright reset`" in moved.up()
    assert moved.json("clock", "show")["offset_s"] == offset
    assert pay(moved).body["created_at"][:10] == f"{business_now(moved).astimezone(UTC):%Y-%m-%d}"
    assert moved.run("down").returncode == 0
    assert moved.run("reset", "--yes").returncode == 0
    assert moved.json("clock", "show")["offset_s"] == 0

"""Schedule expressions against recorded and independently computed cases.

Each row in cases/ names its origin: verdicts recorded on AWS (PutRule), the field table of AWS's
documentation, and the tests of pyawscron, aws-croniter and others.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pytest
from botocore.exceptions import ClientError

from emulator.cron.expressions import At, Cron, ExpressionError, Rate, parse

CASES = Path(__file__).parent / "cases"


def rows(name: str) -> list[Any]:
    cases: list[Any] = json.loads((CASES / name).read_text())["cases"]
    return [pytest.param(case, id=case["expression"]) for case in cases]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def fires(expression: str, after: datetime, until: datetime) -> list[datetime]:
    """Every time later than `after`, up to and with `until`."""
    cron = parse(expression)
    assert isinstance(cron, Cron)
    found = []
    moment = cron.next_after(after, UTC)
    while moment is not None and moment <= until:
        found.append(moment)
        moment = cron.next_after(moment, UTC)
    return found


@pytest.mark.parametrize("case", rows("schedule_expression_validity.json"))
def test_verdict(case: Any) -> None:
    if case["valid"]:
        parse(case["expression"])
    else:
        with pytest.raises(ExpressionError):
            parse(case["expression"])


@pytest.mark.parametrize("case", rows("cron_fire_times.json"))
def test_fire_times(case: Any) -> None:
    expression, after = case["expression"], at(case["after"])
    expected = [at(text) for text in case["expected"] if text is not None]
    ends = None in case["expected"]
    direction = case["direction"].split()[0].rstrip(",")
    instant = timedelta(microseconds=1)
    if direction == "next":
        start = after - instant if ">=" in case["direction"] else after
        last = at("2199-12-31T23:59:00Z") if ends else expected[-1]
        assert fires(expression, start, last) == expected
    elif direction == "prev":
        start = at("1970-01-01T00:00:00Z") if ends else expected[-1] - instant
        assert fires(expression, start, after)[::-1] == expected
    elif direction == "between":
        until = at(case["until"])
        if case["exclude_ends"]:
            start, stop = after, until.replace(second=0) - instant
        else:
            start, stop = after.replace(second=0) - instant, until
        assert fires(expression, start, stop) == expected
    else:
        assert direction == "final"
        assert fires(expression, after - instant, at(case["until"]) - instant)[-1:] == expected


def next_local(expression: str, after: str, zone: str, count: int) -> list[str]:
    cron = parse(expression)
    assert isinstance(cron, Cron)
    found = []
    moment: datetime | None = at(after)
    for _ in range(count):
        assert moment is not None
        moment = cron.next_after(moment, ZoneInfo(zone))
        assert moment is not None
        found.append(moment.isoformat())
    return found


# EventBridge Scheduler User Guide, "Time zones on EventBridge Scheduler" and "Daylight savings
# time": a time that does not exist is skipped, a time that repeats fires once.


def test_a_wall_time_that_spring_skips_does_not_fire() -> None:
    # New York, 2026-03-08: 02:00 EST becomes 03:00 EDT.
    found = next_local("cron(30 2 * * ? *)", "2026-03-07T12:00:00Z", "America/New_York", 2)
    assert found == ["2026-03-09T06:30:00+00:00", "2026-03-10T06:30:00+00:00"]


def test_a_wall_time_that_autumn_repeats_fires_once() -> None:
    # New York, 2026-11-01: 02:00 EDT becomes 01:00 EST.
    found = next_local("cron(30 1 * * ? *)", "2026-11-01T00:00:00Z", "America/New_York", 2)
    assert found == ["2026-11-01T05:30:00+00:00", "2026-11-02T06:30:00+00:00"]
    within = next_local("cron(30 1 * * ? *)", "2026-11-01T06:10:00Z", "America/New_York", 1)
    assert within == ["2026-11-02T06:30:00+00:00"]


def test_a_time_zone_follows_daylight_saving() -> None:
    found = next_local("cron(0 9 25-31 3 ? 2026)", "2026-03-28T00:00:00Z", "Europe/Berlin", 2)
    assert found == ["2026-03-28T08:00:00+00:00", "2026-03-29T07:00:00+00:00"]


def test_at_is_in_the_schedules_zone() -> None:
    once = parse("at(2026-07-01T09:00:00)")
    assert isinstance(once, At)
    assert once.moment(ZoneInfo("Asia/Tokyo")) == at("2026-07-01T00:00:00Z")


@pytest.mark.parametrize("text", ["at(2026-02-30T00:00:00)", "at(2026-07-01)", "at()", "at(x"])
def test_at_that_is_no_time(text: str) -> None:
    with pytest.raises(ExpressionError):
        parse(text)


def test_rates() -> None:
    assert parse("rate(1 hour)") == Rate(timedelta(hours=1))
    assert parse("rate(45 days)") == Rate(timedelta(days=45))


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("cron(0 0 LW * ? *)", "2026-01-30T12:00:00Z", "2026-02-27T00:00:00Z"),  # 28th: a Saturday
        ("cron(0 0 1W * ? *)", "2026-07-31T12:00:00Z", "2026-08-03T00:00:00Z"),  # 1st: a Saturday
        ("cron(0 0 30W * ? *)", "2026-01-31T12:00:00Z", "2026-03-30T00:00:00Z"),  # no 30 February
        ("cron(0 0 29 2 ? *)", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("cron(0 0 ? * 2#5 *)", "2026-04-01T00:00:00Z", "2026-06-29T00:00:00Z"),  # five Mondays
    ],
)
def test_days_that_not_every_month_has(expression: str, after: str, expected: str) -> None:
    cron = parse(expression)
    assert isinstance(cron, Cron)
    assert cron.next_after(at(after), UTC) == at(expected)


@pytest.mark.parametrize(
    ("expression", "valid"),
    [
        # PutRule takes times that never come (recorded: years 2002-2005), so no day is looked at.
        ("cron(0 0 31 2 ? *)", True),
        ("cron(0 0 31 4,6,9,11 ? *)", True),
        ("cron(0 0 29 2 ? 2027)", True),
        # Accepted by AWS, says LocalStack's issue 13572.
        ("cron(0-15/1 8-8 ? * 2,3,4,5,6,7 *)", True),
        ("cron(30-30 13-13 ? * 2,4,6 *)", True),
        # Refused by AWS, says aws-sdk-js' issue 4212.
        ("cron(*/60 * * * ? *)", False),
        ("cron(15 12 ? * -1 *)", False),  # winglang's issue 7115
        ("cron(0 0 1 13 ? *)", False),
        ("cron(0 0 1 0 ? *)", False),
        ("cron(0 0 32 1 ? *)", False),
        # No record of more than one space was found; fields are "separated by white space".
        ("cron(0  12 * * ? *)", True),
    ],
)
def test_verdicts_from_elsewhere(expression: str, valid: bool) -> None:
    if valid:
        parse(expression)
    else:
        with pytest.raises(ExpressionError):
            parse(expression)


def test_a_day_that_never_comes_never_fires() -> None:
    cron = parse("cron(0 0 31 2 ? *)")
    assert isinstance(cron, Cron)
    assert cron.next_after(at("1970-01-01T00:00:00Z"), UTC) is None
    assert cron.never_fires
    leap = parse("cron(0 0 29 2 ? *)")
    assert isinstance(leap, Cron)
    assert not leap.never_fires


def test_the_endpoint_gives_the_same_verdicts(aws_endpoint_url: str) -> None:
    """CreateSchedule and PutRule; the messages are AWS's, recorded by LocalStack."""
    options: Any = {"endpoint_url": aws_endpoint_url, "region_name": "us-east-1"}
    scheduler, events = boto3.client("scheduler", **options), boto3.client("events", **options)
    name = f"verdict-{uuid.uuid4().hex[:8]}"
    role = "arn:aws:iam::000000000000:role/r"
    target: Any = {"Arn": "arn:aws:sqs:us-east-1:000000000000:q", "RoleArn": role}
    for case in json.loads((CASES / "schedule_expression_validity.json").read_text())["cases"]:
        expression = case["expression"]
        made: Any = {
            "Name": name,
            "ScheduleExpression": expression,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": target,
            "State": "DISABLED",
        }
        rule: Any = {"Name": name, "ScheduleExpression": expression, "State": "DISABLED"}
        if case["valid"]:
            scheduler.create_schedule(**made)
            scheduler.delete_schedule(Name=name)
            events.put_rule(**rule)
            continue
        for call, given, message in (
            (scheduler.create_schedule, made, f"Invalid Schedule Expression {expression}."),
            (events.put_rule, rule, "Parameter ScheduleExpression is not valid."),
        ):
            with pytest.raises(ClientError) as refused:
                call(**given)
            answer: Any = refused.value.response
            assert answer["Error"] == {"Code": "ValidationException", "Message": message}
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    events.delete_rule(Name=name)

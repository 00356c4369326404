"""The catalogue is whole, what is shown of it is true, and no payment carries its weight."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from emulator.template.parse import load
from paywright.event import API_VERSION, EventType, event_text
from paywright.events.catalogue import MODELS, Event
from paywright.webhooks.filters import FOR_PEOPLE, wants
from tests.conformance.events.contract import PUBLISHED, ROOT, check
from tests.templates import OWN_PARAMETERS
from tools.reference.events import example
from tools.reference.examples import PAYMENT

_SAMPLES = ("bus_payment_captured", "webhook_payment_captured")


def test_each_type_has_one_model_and_each_model_its_type() -> None:
    assert set(MODELS) == set(EventType)
    assert set(get_args(Event.model_fields["root"].annotation)) == set(MODELS.values())
    for event_type, model in MODELS.items():
        assert get_args(model.model_fields["type"].annotation) == (event_type,)
        assert model.__name__.lower() == re.sub(r"[._]", "", event_type)


def test_the_published_schema_is_json_schema() -> None:
    Draft202012Validator.check_schema(PUBLISHED)
    assert PUBLISHED["x-api-version"] == API_VERSION


@pytest.mark.parametrize("event_type", EventType)
def test_examples_are_what_they_show(event_type: EventType) -> None:
    text = json.dumps(example(event_type))
    assert check(text).type is event_type
    assert f'"type": "{event_type}"' in (ROOT / "docs/events.md").read_text()


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "payment.nonsense"},
        {"type": "refund.created"},
        {"id": "txn_01k8nkrkaye008000000000003"},
        {"api_version": None},
        {"sequence": 0},
        {"data": {"object": {**PAYMENT, "amount": -1}}},
        {"data": {}},
    ],
)
def test_what_is_none_is_told(changes: dict[str, Any]) -> None:
    wrong = {**example(EventType.PAYMENT_CAPTURED), **changes}
    with pytest.raises(ValidationError):
        Event.model_validate(wrong)
    assert list(Draft202012Validator(PUBLISHED).iter_errors(wrong))


def test_consumers_ignore_what_they_do_not_know() -> None:
    newer = {**example(EventType.PAYMENT_CAPTURED), "colour": "red"}
    assert Event.model_validate(newer).root.type is EventType.PAYMENT_CAPTURED
    Draft202012Validator(PUBLISHED).validate(newer)


def test_a_written_event_is_an_event() -> None:
    text = event_text(
        uuid.UUID(int=0x019A2B3C4D5E70008000000000000001),
        EventType.PAYMENT_CAPTURED,
        created_at=datetime(2026, 11, 22, 20, 15, 4, 118_000, UTC),
        livemode=False,
        sequence=3,
        about=json.dumps(PAYMENT),
    )
    event = check(text)
    assert (event.sequence, event.api_version) == (3, API_VERSION)
    assert list(json.loads(text)) == list(example(EventType.PAYMENT_CAPTURED))


@pytest.mark.parametrize("name", _SAMPLES)
def test_sample_events_are_events(name: str) -> None:
    sample = json.loads((ROOT / "events" / f"{name}.json").read_text())
    detail = sample if "detail" in sample else json.loads(sample["Records"][0]["body"])
    text = detail["detail"]["payload"]
    for placeholder, value in (
        ("${EVENT}", "evt_01k8nkrkaye008000000000003"),
        ("${PAYMENT}", "txn_01k8nkrkaye008000000000003"),
        ("${NOW}", "2026-11-22T20:00:00.123Z"),
    ):
        text = text.replace(placeholder, value)
    assert check(text).type == detail["detail-type"]


@pytest.mark.parametrize("event_type", EventType)
def test_a_rule_brings_all_but_what_is_for_people_to_the_webhooks(event_type: EventType) -> None:
    template = load(ROOT / "template.yaml", OWN_PARAMETERS)
    (rule,) = [each for each in template.rules if each.name.endswith("webhook-delivery")]
    assert rule.pattern is not None
    is_sent = any(
        event_type == each if isinstance(each, str) else event_type.startswith(each["prefix"])
        for each in rule.pattern["detail-type"]
    )
    assert is_sent is (event_type not in FOR_PEOPLE)
    assert wants((f"{event_type.partition('.')[0]}.*",), event_type)


@pytest.mark.parametrize("function", ["authorize", "capture", "refund", "webhook", "relay"])
def test_no_payment_waits_for_the_catalogue(function: str) -> None:
    told = "import sys, app; print([m for m in sys.modules if m.startswith('paywright.events.')])"
    done = subprocess.run(
        [sys.executable, "-c", told],
        cwd=ROOT / "functions" / function,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = done.stdout.splitlines()[-1]
    assert "paywright.events.catalogue" not in loaded
    assert "paywright.events.objects" not in loaded
    assert ("paywright.events.relay" in loaded) == (function == "relay")

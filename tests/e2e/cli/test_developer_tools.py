"""The samples in `events/`, invoked and fired; one payment's way through the log."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cli.api import call
from cli.fire import fire
from cli.invoke import invoke
from cli.paths import CHECKOUT
from cli.samples import read_event
from emulator.template.parse import load
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.xdist_group("e2e")

_SAMPLES = sorted(file.stem for file in (CHECKOUT / "events").glob("*.json"))
# What a sample is answered over HTTP: the status, and what the body has.
_ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "authorize_sale": (201, {"status": "captured"}),
    "authorize_hold": (201, {"status": "authorized"}),
    "authorize_decline": (402, {}),
    "authorize_bad_request": (400, {}),
    "capture_hold": (200, {"status": "captured"}),
    "capture_void": (200, {"status": "voided"}),
    "refund_part": (201, {"status": "captured", "refunded_amount": 500}),
    "merchant_payment": (200, {"object": "payment"}),
    "merchant_profile": (200, {"object": "merchant"}),
}


def test_there_is_a_sample_of_everything():
    values = dict.fromkeys(("ValkeyUrl", "DatabaseUrl", "HousekeepingDatabaseUrl"), "x")
    app = load(CHECKOUT / "template.yaml", {**values, "PiiKey": "x"})
    assert {f"schedule_{schedule.name}" for schedule in app.schedules} <= set(_SAMPLES)
    routes = {route.function for api in app.http_apis for route in api.routes}
    sources = routes | {mapping.function for mapping in app.mappings}
    assert sources <= {name.split("_")[0] for name in _SAMPLES}
    assert any(name.startswith("bus_") for name in _SAMPLES)


@pytest.mark.parametrize("sample", _SAMPLES)
def test_a_sample_is_fired_the_way_it_would_arrive(paywright, capsys, sample):
    kind, _, name = sample.partition("_")
    file = str(CHECKOUT / "events" / f"{sample}.json")
    # What a schedule queues has its turn within a minute: it is not waited for.
    patience_s = 0.1 if kind == "schedule" else PATIENCE_S
    assert fire(file, paywright.home, paywright.urls, patience_s=patience_s)
    shown = capsys.readouterr().out
    first, *rest = shown.splitlines()
    if sample in _ANSWERS:
        status, body = _ANSWERS[sample]
        assert f": {status} " in first
        text = shown.partition("\n\n")[2].partition("\n\n")[2]
        answer, _ = json.JSONDecoder().raw_decode(text)
        assert body.items() <= answer.items()
        assert any(line.split()[1:2] == ["gateway"] for line in rest), shown
        assert any(line.startswith(f"{kind}: request ") for line in rest)
    elif kind == "bus":
        assert first.startswith("Put payment.captured on the bus payment-events: event ")
        assert any("Webhook delivered" in line for line in rest), shown
    elif kind == "schedule":
        assert first.startswith(f"Fired the schedule {name}: sent to ")
        assert first.endswith(f":function:{name}.")
    else:
        assert first == "Sent 1 message to a queue."
        assert any(line.startswith(f"{kind}: request ") for line in rest), shown


@pytest.mark.parametrize("sample", [name for name in _SAMPLES if name[:4] not in {"bus_", "sche"}])
def test_a_sample_is_invoked(paywright, sample):
    event = read_event(f"{CHECKOUT}/events/{sample}.json", paywright.home, paywright.urls)
    result = invoke(paywright.urls.lambda_url, sample.partition("_")[0], event)
    assert result.function_error is None, result
    answer = json.loads(result.payload)
    if sample in _ANSWERS:
        status, body = _ANSWERS[sample]
        assert answer["statusCode"] == status
        assert body.items() <= json.loads(answer["body"]).items()
    else:
        assert answer == {"batchItemFailures": []}


def test_a_sample_works_each_time_anew(paywright):
    for _ in range(2):
        event = f"--event={CHECKOUT}/events/capture_hold.json"
        answer = json.loads(paywright.run("invoke", "capture", event).stdout)
        assert answer["statusCode"] == 200, answer


def test_a_schedules_event_is_queued_as_the_scheduler_does_it(paywright):
    done = paywright.run("invoke", "relay", f"--event={CHECKOUT}/events/schedule_relay.json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["queued"] == "relay"


def test_an_invocation_can_be_queued(paywright):
    event = f"--event={CHECKOUT}/events/merchant_profile.json"
    done = paywright.run("invoke", "merchant", event, "--async")
    assert done.returncode == 0, done.stderr
    queued = json.loads(done.stdout)
    assert queued["queued"] == "merchant"

    def ended() -> bool:
        shown = paywright.run("logs", "--request", queued["request_id"])
        return "REPORT RequestId" in shown.stdout

    until(ended, "the end of the invocation")


def test_a_function_that_fails_is_told_by_the_exit_code(paywright):
    done = paywright.run("invoke", "webhook", "--event=-", "--log", stdin='{"Records": 1}')
    assert done.returncode == 1
    assert json.loads(done.stdout)["errorType"] == "TypeError"
    assert "Traceback" in done.stderr


def test_what_is_for_nobody_is_told_in_a_sentence(paywright):
    schedule = {
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "detail": "{}",
        "resources": ["arn:aws:scheduler:us-east-1:000000000000:schedule/default/nobody"],
    }
    queue = {"Records": [{"eventSource": "aws:sqs", "eventSourceARN": "a:b:nobody", "body": ""}]}
    bus = {"detail-type": "x", "source": "y", "detail": {}}
    for event, words in (
        (schedule, "There is no schedule nobody"),
        (queue, "GetQueueUrl was refused"),
        (bus, "The bus nobody refused the event"),
    ):
        done = paywright.run("fire", "-", "--bus=nobody", stdin=json.dumps(event))
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_any_event_can_be_queued_for_a_function(paywright):
    done = paywright.run("fire", "-", "--function=merchant", stdin='{"Records": []}')
    assert (done.returncode, done.stdout.startswith("Queued for merchant: request ")) == (0, True)


def test_an_http_event_arrives_as_it_is(paywright):
    """Method, encoded path, query, cookies and a body in base64 make the same event again."""
    event = {
        "version": "2.0",
        "rawPath": "/v1/payments/a b%/ü",
        "rawQueryString": "a=1&a=%20",
        "cookies": ["one=1", "two=2"],
        "headers": {"authorization": "Bearer nobody", "x-more": "a,b"},
        "requestContext": {"http": {"method": "PATCH"}},
        "body": "/w==",
        "isBase64Encoded": True,
    }
    done = paywright.run("fire", "-", stdin=json.dumps(event))
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith("Sent PATCH /v1/payments/a%20b%25/%C3%BC?a=1&a=%20 to ")
    assert first.endswith(": 404 Not Found.")


def _paid(paywright: Any, **headers: str) -> tuple[str, str, str]:
    """Take a payment; its id, trace id and request id."""
    answer = call(
        "POST",
        f"{paywright.urls.gateway_url}/v1/payments",
        json.dumps(
            {
                "amount": 1999,
                "currency": "usd",
                "payment_method_id": paywright.demo.payment_method_id,
            }
        ).encode(),
        headers={
            "Authorization": f"Bearer {paywright.demo.api_key}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"trace-{time.monotonic_ns()}",
            **headers,
        },
    )
    assert answer.status == 201, answer
    return answer.body["id"], answer.headers["x-trace-id"], answer.headers["request-id"]


def _delivered(paywright: Any, trace: str) -> Iterator[dict[str, Any]]:
    """The trace's lines, once the webhook is among them."""

    def shown() -> str:
        found: str = paywright.run("logs", "--trace", trace).stdout
        return found if "Webhook delivered" in found else ""

    return map(json.loads, until(shown, "the delivery in the log").splitlines())


def test_one_payment_s_lines_are_gathered_over_all_functions(paywright):
    payment_id, trace, request_id = _paid(paywright)
    _paid(paywright)  # of which nothing must be in it
    lines = list(_delivered(paywright, trace))
    assert [line["ts"] for line in lines] == sorted(line["ts"] for line in lines)
    who = [line["function"] if line["kind"] != "access" else "gateway" for line in lines]
    assert sorted(set(who)) == ["authorize", "gateway", "relay", "webhook"]
    assert [name for number, name in enumerate(who) if name not in who[:number]] == [
        "authorize", "gateway", "relay", "webhook",
    ]  # fmt: skip
    begun = [line["message"].split()[0] for line in lines if line["function"] == "authorize"]
    assert {"START", "END", "REPORT"} <= set(begun)
    assert who.count("gateway") == 1
    for other in (payment_id, request_id):
        same = paywright.run("logs", "--trace", other)
        assert [json.loads(line)["ts"] for line in same.stdout.splitlines()][: len(lines)] == [
            line["ts"] for line in lines
        ], other


def test_a_caller_s_own_trace_is_kept_from_gateway_to_webhook(paywright):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"[:16] + f"{time.monotonic_ns():016x}"[-16:]
    _, answered, _ = _paid(paywright, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert answered == trace
    who = {
        "gateway" if line["kind"] == "access" else line["function"]
        for line in _delivered(paywright, trace)
    }
    assert who == {"authorize", "gateway", "relay", "webhook"}


def test_people_are_shown_short_lines(paywright):
    _paid(paywright)
    shown = paywright.run("logs", "authorize", "--no-json", "-n", "3")
    assert shown.returncode == 0
    assert "\x1b" not in shown.stdout
    assert len(shown.stdout.splitlines()) == 3
    assert "START RequestId" not in shown.stdout

"""What `template.yaml` declares: routes, settings, queues, schedules, connections."""

from __future__ import annotations

import pytest

from emulator.template.model import Application, Function
from emulator.template.parse import load
from emulator.template.source import Map, read
from paywright.notifications.letters import KIND_OF
from paywright.settings import Settings
from tests.conformance.template.declared import (
    AWS,
    LAPTOP,
    REPOSITORY,
    SECRET,
    TEMPLATE,
    of_type,
)

ROUTES = {
    "POST /v1/payments": "authorize",
    "POST /v1/payments/{id}/capture": "capture",
    "POST /v1/payments/{id}/void": "capture",
    "POST /v1/payments/{id}/refund": "refund",
    "GET /v1/payments/{id}/refunds": "merchant",
    "GET /v1/refunds/{id}": "merchant",
    "GET /v1/payments": "merchant",
    "GET /v1/payments/{id}": "merchant",
    "GET /v1/balance": "merchant",
    "GET /v1/ledger/entries": "merchant",
    "POST /v1/customers": "merchant",
    "GET /v1/customers/{id}": "merchant",
    "POST /v1/customers/{id}/payment_methods": "merchant",
    "POST /v1/fx/quotes": "merchant",
    "GET /v1/fx/quotes/{id}": "merchant",
    "GET /v1/webhook_deliveries": "merchant",
    "GET /v1/webhook_deliveries/{id}": "merchant",
    "GET /v1/webhook_deliveries/{id}/attempts": "merchant",
    "POST /v1/webhook_deliveries/{id}/resend": "merchant",
    "POST /v1/webhook_endpoints/{id}/resend": "merchant",
    "GET /v1/events": "merchant",
    "GET /v1/events/{id}": "merchant",
    "GET /v1/merchants/me": "merchant",
    "PATCH /v1/merchants/me": "merchant",
    "POST /v1/webhook_endpoints": "merchant",
    "GET /v1/webhook_endpoints": "merchant",
    "GET /v1/webhook_endpoints/{id}": "merchant",
    "PATCH /v1/webhook_endpoints/{id}": "merchant",
    "DELETE /v1/webhook_endpoints/{id}": "merchant",
    "POST /v1/webhook_endpoints/{id}/rotate_secret": "merchant",
    "POST /v1/webhook_endpoints/{id}/test": "merchant",
    "GET /v1/webhook_endpoints/{id}/stats": "merchant",
}
RATES = {"FX_RATES_URL", "FX_RATES_TIMEOUT_S", "FX_RATE_MAX_AGE_H"}
WEBHOOKS = {
    "WEBHOOK_DEAD_LETTER_QUEUE_URL",
    "RES_OPTIONS",
    "WEBHOOK_TIMEOUT_S",
    "WEBHOOK_ALLOW_LOOPBACK",
}
# Beyond what every function has.
OWN_VARIABLES = {
    "authorize": {
        "RATE_LIMIT_PER_MIN",
        "PROCESSOR_TIMEOUT_S",
        "RECOVERY_MARGIN_S",
        "FRAUD_BUDGET_MS",
        *RATES,
    },
    "capture": {"RATE_LIMIT_PER_MIN", "PROCESSOR_TIMEOUT_S", "RECOVERY_MARGIN_S", *RATES},
    "refund": {"RATE_LIMIT_PER_MIN", "PROCESSOR_TIMEOUT_S", "RECOVERY_MARGIN_S"},
    "merchant": {
        "RATE_LIMIT_PER_MIN",
        "PROCESSOR_TIMEOUT_S",
        "RES_OPTIONS",
        "WEBHOOK_ALLOW_LOOPBACK",
        *RATES,
    },
    "webhook": WEBHOOKS,
    "webhook_due": WEBHOOKS,
    "notifications": {"NOTIFICATIONS_FROM", "NOTIFICATIONS_QUEUE_URL"},
    "relay": {"EVENT_BUS_NAME"},
    "ledger": set(),
    "housekeeping": {"PROCESSOR_TIMEOUT_S", "RECOVERY_MARGIN_S", *RATES},
}
# A max_connections of 250, of which 3 are kept for superusers.
DATABASE_CONNECTIONS = 247


def test_is_read_without_warnings(app: Application) -> None:
    assert app.warnings == ()
    assert load(TEMPLATE, AWS).warnings == ()


def test_every_function_has_its_folder_and_handler(app: Application) -> None:
    for function in app.functions.values():
        assert function.handler == "app.handler"
        assert function.code_dir == REPOSITORY / "functions" / function.name
        assert (function.code_dir / "app.py").is_file()
        assert function.layer_dirs == (REPOSITORY / "layers" / "shared",)
        assert function.runtime == "python3.13"


def test_every_folder_with_a_handler_is_a_function(app: Application) -> None:
    folders = {path.parent.name for path in (REPOSITORY / "functions").glob("*/app.py")}
    assert folders == set(app.functions)


def test_everything_is_built_for_arm64_by_makefile(resources: dict[str, Map]) -> None:
    assert read(TEMPLATE)["Globals"]["Function"]["Architectures"] == ["arm64"]
    for kind in ("AWS::Serverless::Function", "AWS::Serverless::LayerVersion"):
        for resource in of_type(resources, kind).values():
            assert resource["Metadata"]["BuildMethod"] == "makefile"


def test_routes(app: Application) -> None:
    (api,) = app.http_apis
    assert {route.key: route.function for route in api.routes} == ROUTES
    assert api.stage == "$default"
    assert api.cors is None
    assert api.throttle.rate is not None
    assert api.throttle.burst is not None


def test_functions_answer_before_the_api_gives_up(app: Application) -> None:
    for route in app.http_apis[0].routes:
        assert app.functions[route.function].timeout_s * 1000 < route.timeout_ms


def test_variables_are_the_settings_and_the_settings_are_variables(app: Application) -> None:
    known = {name.upper() for name in Settings.model_fields}
    used = {name for function in app.functions.values() for name in function.environment}
    others = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "RES_OPTIONS"}
    assert used - others == known
    assert others <= used


def test_each_function_gets_only_what_it_needs(app: Application) -> None:
    environments = {name: set(f.environment) for name, f in app.functions.items()}
    common = set.intersection(*environments.values())
    assert {name: own - common for name, own in environments.items()} == OWN_VARIABLES


@pytest.mark.parametrize("parameters", [LAPTOP, AWS], ids=["laptop", "aws"])
def test_each_function_starts_with_its_environment(
    parameters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    prefix = parameters.get("NamePrefix", "")
    for function in load(TEMPLATE, parameters).functions.values():
        with monkeypatch.context() as patch:
            for name, value in function.environment.items():
                patch.setenv(name, value)
            settings = Settings()
        assert settings.environment == parameters.get("Environment", "production")
        if function.name.endswith("relay"):
            assert settings.event_bus_name == prefix + "payment-events"
        housekeeping = function.name.endswith("housekeeping")
        if parameters is AWS:
            assert settings.database_secret_arn == SECRET + (
                "housekeeping" if housekeeping else "database"
            )
        else:
            assert settings.database_url is not None
            role = settings.database_url.get_secret_value().split("//")[1].split("@")[0]
            assert role == ("housekeeping" if housekeeping else "app")


def test_a_prefix_separates_stacks(app: Application) -> None:
    def names(declared: Application) -> set[str]:
        return {
            *declared.functions,
            *(queue.name for queue in declared.queues),
            *(bus.name for bus in declared.buses),
            *(rule.name for rule in declared.rules),
            *(schedule.name for schedule in declared.schedules),
        }

    assert names(load(TEMPLATE, AWS)) == {"staging-" + name for name in names(app)}
    assert {"authorize", "webhook-delivery", "payment-events"} <= names(app)


def test_every_queue_has_a_dead_letter_queue(app: Application, resources: dict[str, Map]) -> None:
    names = {queue.name for queue in app.queues}
    properties = {
        app_queue.name: resources[app_queue.logical_id]["Properties"] for app_queue in app.queues
    }
    for name in names:
        assert properties[name]["SqsManagedSseEnabled"] is True
        if name.endswith("-dlq"):
            continue
        redrive = properties[name]["RedrivePolicy"]
        (target, attribute) = redrive["deadLetterTargetArn"]["Fn::GetAtt"]
        assert attribute == "Arn"
        dead = next(queue for queue in app.queues if queue.logical_id == target)
        assert dead.name == f"{name}-dlq"
        assert redrive["maxReceiveCount"] >= 6
        # A message keeps its age when it moves: it must not expire on arrival.
        kept = properties[dead.name]["MessageRetentionPeriod"]
        assert kept > properties[name]["MessageRetentionPeriod"]


def test_nothing_is_seen_twice_while_it_is_worked_on(
    app: Application, resources: dict[str, Map]
) -> None:
    queues = {queue.name: queue for queue in app.queues}
    for mapping in app.mappings:
        queue = resources[queues[mapping.queue_name].logical_id]["Properties"]
        assert app.functions[mapping.function].timeout_s < queue["VisibilityTimeout"]
        assert mapping.report_batch_item_failures
        assert mapping.maximum_concurrency is not None
        assert mapping.batch_size == 10


def test_events_go_to_the_webhook_queue(app: Application) -> None:
    (rule,) = (rule for rule in app.rules if rule.name == "webhook-delivery")
    assert rule.bus_name == "payment-events"
    assert rule.pattern == {
        "source": ["paywright"],
        "detail-type": [
            *({"prefix": f"{noun}."} for noun in ("payment", "refund", "dispute", "payout")),
            "merchant.webhook_endpoint_disabled",
            {"prefix": "webhook_endpoint."},
        ],
    }
    (target,) = rule.targets
    arns = {queue.name: queue.arn for queue in app.queues}
    assert target.arn == arns["webhook-delivery"]
    assert target.dead_letter_arn == arns["webhook-delivery-dlq"]


def test_what_people_must_know_goes_to_notifications() -> None:
    for sender, enabled in (("", False), ("platform@example.com", True)):
        app = load(TEMPLATE, LAPTOP | {"NotificationsFrom": sender})
        (rule,) = (rule for rule in app.rules if rule.name == "notifications")
        assert rule.enabled is enabled
        assert rule.bus_name == "payment-events"
        assert rule.pattern is not None
        assert rule.pattern["source"] == ["paywright"]
        assert set(rule.pattern["detail-type"]) == set(KIND_OF)
        (target,) = rule.targets
        arns = {queue.name: queue.arn for queue in app.queues}
        assert target.arn == arns["notifications"]
        assert target.dead_letter_arn == arns["notifications-dlq"]
        assert app.email_identities == ((sender,) if sender else ())


def test_background_functions_run_one_at_a_time_and_are_always_woken(app: Application) -> None:
    woken = {schedule.target.arn for schedule in app.schedules}
    background = ("relay", "webhook_due", "ledger", "housekeeping")
    assert woken == {app.functions[name].arn for name in background}
    for function in app.functions.values():
        if function.arn not in woken:
            continue
        assert function.reserved_concurrency == 1
        assert function.event_invoke.maximum_event_age_s == 120
        assert function.event_invoke.maximum_retry_attempts == 0
        assert function.event_invoke.on_failure_arn is None
        assert function.dead_letter_arn is None
        assert function.timeout_s == 90
    for schedule in app.schedules:
        assert schedule.expression == "rate(1 minute)"
        assert schedule.target.maximum_retry_attempts == 0
        assert schedule.target.dead_letter_arn is None


def test_connections_stay_below_the_servers_limit(app: Application) -> None:
    mapped = {mapping.function: mapping.maximum_concurrency for mapping in app.mappings}

    def environments(function: Function) -> int:
        limit = function.reserved_concurrency or mapped.get(function.name)
        assert limit is not None, f"nothing bounds the connections of {function.name}"
        return limit

    assert sum(environments(function) for function in app.functions.values()) <= (
        DATABASE_CONNECTIONS
    )

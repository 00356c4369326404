"""What `template.yaml` allows: each function its own work, and nobody anything else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emulator.template.model import Application
from emulator.template.parse import load
from emulator.template.source import Map, read
from tests.conformance.template.declared import (
    LAPTOP,
    REPOSITORY,
    TEMPLATE,
    listed,
    of_type,
)

LOGGING = {"logs:CreateLogStream", "logs:PutLogEvents"}


CONSUMING = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ChangeMessageVisibility",
}


OWN_ACTIONS = {
    "relay": {"events:PutEvents"},
    "webhook": CONSUMING | {"sqs:SendMessage"},
    "webhook_due": {"sqs:SendMessage"},
    "notifications": CONSUMING | {"ses:SendEmail"},
}


# Network interfaces of functions in a VPC exist before anything can name them: AWS's own policy.
MANAGED_POLICIES = {
    "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaENIManagementAccess"
}


def test_mail_is_sent_from_one_address(resources: dict[str, Map]) -> None:
    with_domain = LAPTOP | {
        "NotificationsFrom": "platform@example.com",
        "NotificationsIdentity": "example.com",
    }
    assert load(TEMPLATE, with_domain).email_identities == ()
    *_, policy = resources["NotificationsRole"]["Properties"]["Policies"][0]["PolicyDocument"][
        "Statement"
    ]
    assert policy["Condition"] == {
        "StringEquals": {"ses:FromAddress": {"Ref": "NotificationsFrom"}}
    }
    arn, identity = policy["Resource"]["Fn::Sub"]
    assert arn.endswith(":identity/${Identity}")
    assert identity["Identity"]["Fn::If"][1:] == [
        {"Ref": "NotificationsIdentity"},
        {"Ref": "NotificationsFrom"},
    ]


def test_policies_name_every_action_and_resource(resources: dict[str, Map]) -> None:
    seen = 0
    for name, statement in _statements(resources):
        seen += 1
        assert statement["Effect"] == "Allow"
        assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement)
        for part in (*listed(statement["Action"]), *listed(statement.get("Resource", []))):
            assert "*" not in str(part), f"{name} allows {part}"
    assert seen > len(resources) / 4


def test_each_role_may_do_only_its_functions_work(
    app: Application, resources: dict[str, Map]
) -> None:
    for function in app.functions.values():
        role = resources[f"{function.logical_id}Role"]["Properties"]
        declared = resources[function.logical_id]["Properties"]
        assert declared["Role"] == {"Fn::GetAtt": [f"{function.logical_id}Role", "Arn"]}
        actions = set()
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                actions |= set(listed(statement["Action"]))
        assert actions == LOGGING | OWN_ACTIONS.get(function.name, set())
        managed = [item["Fn::If"][1]["Fn::Sub"] for item in role["ManagedPolicyArns"]]
        assert set(managed) == MANAGED_POLICIES
        logs = resources[f"{function.logical_id}Logs"]["Properties"]
        assert logs["LogGroupName"]["Fn::Sub"] == f"/aws/lambda/${{NamePrefix}}{function.name}"
        assert "RetentionInDays" in logs


def test_the_schedules_role_may_only_wake_the_scheduled(
    app: Application, resources: dict[str, Map]
) -> None:
    (policy,) = resources["ScheduleRole"]["Properties"]["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    named = {resource["Fn::GetAtt"][0] for resource in statement["Resource"]}
    targets = {schedule.target.arn for schedule in app.schedules}
    assert named == {f.logical_id for f in app.functions.values() if f.arn in targets}


def test_only_the_rule_may_send_to_the_queues(app: Application, resources: dict[str, Map]) -> None:
    guarded = set()
    for policy in of_type(resources, "AWS::SQS::QueuePolicy").values():
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"
        (queue,) = (item["Ref"] for item in policy["Properties"]["Queues"])
        assert statement["Resource"] == {"Fn::GetAtt": [queue, "Arn"]}
        (source,) = statement["Condition"]["ArnEquals"].values()
        assert source["Fn::GetAtt"][0] in {rule.logical_id for rule in app.rules}
        guarded.add(queue)
    assert guarded == {queue.logical_id for queue in app.queues}


def test_secrets_are_read_by_those_whose_settings_name_them(resources: dict[str, Map]) -> None:
    common = read(TEMPLATE)["Globals"]["Function"]["Environment"]["Variables"]
    readers: dict[str, set[str]] = {}
    for policy in of_type(resources, "AWS::IAM::ManagedPolicy").values():
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Action"] == "secretsmanager:GetSecretValue"
        readers[statement["Resource"]["Ref"]] = {
            role["Ref"].removesuffix("Role") for role in policy["Properties"]["Roles"]
        }
    for name, function in of_type(resources, "AWS::Serverless::Function").items():
        variables = {**common, **function["Properties"]["Environment"]["Variables"]}
        secret = variables["DATABASE_SECRET_ARN"]["Ref"]
        assert {arn for arn, names in readers.items() if name in names} - {"PiiKeySecretArn"} == {
            secret
        }


def test_the_key_for_personal_data_is_for_those_who_use_it(resources: dict[str, Map]) -> None:
    roles = resources["PiiKeySecretPolicy"]["Properties"]["Roles"]
    using = set()
    for name, function in of_type(resources, "AWS::Serverless::Function").items():
        folder = REPOSITORY / function["Properties"]["CodeUri"]
        code = "".join(path.read_text() for path in folder.rglob("*.py"))
        # The platform, or what delivers webhooks, resolves the key when it is put together.
        if any(each in code for each in ("pii_key", "paywright.wiring", "webhooks.parts")):
            using.add(f"{name}Role")
    assert {role["Ref"] for role in roles} == using


def _statements(resources: dict[str, Map]) -> Iterator[tuple[str, Map]]:
    def walk(value: Any) -> Iterator[Map]:
        if isinstance(value, dict):
            if "Statement" in value:
                yield from value["Statement"]
            for item in value.values():
                yield from walk(item)
        elif isinstance(value, list):
            for item in value:
                yield from walk(item)

    for name, resource in resources.items():
        for statement in walk(resource["Properties"]):
            yield name, statement

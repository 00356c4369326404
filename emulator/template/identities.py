"""What Ref and Fn::GetAtt give for a resource: its physical name and its ARN."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from emulator.template.model import PUBLISHED
from emulator.template.properties import Properties


@dataclass(frozen=True)
class Place:
    """Where the stack lives, which is part of every ARN and URL."""

    region: str
    account_id: str
    stack_name: str
    aws_endpoint: str | None

    def arn(self, service: str, resource: str) -> str:
        """Return a regional ARN."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"

    def queue_url(self, name: str) -> str:
        """Return a queue's URL: the endpoint's when there is one, else AWS's own."""
        endpoint = self.aws_endpoint or f"https://sqs.{self.region}.amazonaws.com"
        return f"{endpoint.rstrip('/')}/{self.account_id}/{name}"


@dataclass(frozen=True)
class Identity:
    """A resource's `Ref`, name, ARN, and the attributes that Fn::GetAtt may ask for."""

    ref: str
    name: str
    arn: str
    attributes: dict[str, str] = field(default_factory=dict)

    def attribute(self, name: str) -> str:
        """Return an attribute; one that only AWS could know stands as `resource.attribute`."""
        if name == "Arn":
            return self.arn
        return self.attributes.get(name, f"{self.name}.{name}")


Identify = Callable[[str, Properties, Place], Identity]


def identify(kind: str, logical_id: str, properties: Properties, place: Place) -> Identity:
    """Return a resource's identity; of kinds the emulator does not run, a plausible one."""
    return _BY_KIND.get(kind, _other(kind))(logical_id, properties, place)


def opaque_id(seed: str, length: int = 10) -> str:
    """Return a stable id of the form AWS gives out, such as an API's."""
    return hashlib.sha256(seed.encode()).hexdigest()[:length]


def _name(logical_id: str, properties: Properties, place: Place, key: str) -> str:
    return properties.text(key) or f"{place.stack_name}-{logical_id}"


def _function(logical_id: str, properties: Properties, place: Place) -> Identity:
    name = properties.text("FunctionName") or logical_id
    return Identity(name, name, place.arn("lambda", f"function:{name}"))


def _version(_logical_id: str, properties: Properties, place: Place) -> Identity:
    arn = f"{_function_arn(properties, place)}:{PUBLISHED}"
    return Identity(arn, PUBLISHED, arn, {"FunctionArn": arn, "Version": PUBLISHED})


def _alias(_logical_id: str, properties: Properties, place: Place) -> Identity:
    name = properties.required_text("Name")
    arn = f"{_function_arn(properties, place)}:{name}"
    return Identity(arn, name, arn, {"AliasArn": arn})


def _function_arn(properties: Properties, place: Place) -> str:
    reference = properties.required_text("FunctionName")
    return reference if ":" in reference else place.arn("lambda", f"function:{reference}")


def _layer(logical_id: str, properties: Properties, place: Place) -> Identity:
    name = properties.text("LayerName") or logical_id
    arn = place.arn("lambda", f"layer:{name}:1")
    return Identity(arn, name, arn, {"LayerVersionArn": arn})


def _http_api(logical_id: str, _properties: Properties, place: Place) -> Identity:
    api_id = opaque_id(f"{place.stack_name}/{logical_id}")
    host = f"https://{api_id}.execute-api.{place.region}.amazonaws.com"
    arn = f"arn:aws:apigateway:{place.region}::/apis/{api_id}"
    return Identity(api_id, api_id, arn, {"ApiId": api_id, "ApiEndpoint": host})


def _queue(logical_id: str, properties: Properties, place: Place) -> Identity:
    suffix = ".fifo" if properties.boolean("FifoQueue", False) else ""
    name = properties.text("QueueName") or f"{place.stack_name}-{logical_id}{suffix}"
    url = place.queue_url(name)
    return Identity(url, name, place.arn("sqs", name), {"QueueName": name, "QueueUrl": url})


def _bus(logical_id: str, properties: Properties, place: Place) -> Identity:
    name = _name(logical_id, properties, place, "Name")
    return Identity(name, name, place.arn("events", f"event-bus/{name}"), {"Name": name})


def _rule(logical_id: str, properties: Properties, place: Place) -> Identity:
    name = _name(logical_id, properties, place, "Name")
    bus = (properties.text("EventBusName") or "default").rsplit("/", 1)[-1]
    path, ref = (name, name) if bus == "default" else (f"{bus}/{name}", f"{bus}|{name}")
    return Identity(ref, name, place.arn("events", f"rule/{path}"))


def _schedule(logical_id: str, properties: Properties, place: Place) -> Identity:
    name = _name(logical_id, properties, place, "Name")
    group = properties.text("GroupName") or "default"
    return Identity(name, name, place.arn("scheduler", f"schedule/{group}/{name}"))


def _schedule_group(logical_id: str, properties: Properties, place: Place) -> Identity:
    name = _name(logical_id, properties, place, "Name")
    return Identity(name, name, place.arn("scheduler", f"schedule-group/{name}"))


def _email_identity(_logical_id: str, properties: Properties, place: Place) -> Identity:
    name = properties.required_text("EmailIdentity")
    return Identity(name, name, place.arn("ses", f"identity/{name}"))


def _mapping(logical_id: str, _properties: Properties, place: Place) -> Identity:
    uuid = opaque_id(f"{place.stack_name}/{logical_id}", 32)
    uuid = "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))
    return Identity(uuid, uuid, place.arn("lambda", f"event-source-mapping:{uuid}"), {"Id": uuid})


def _role(logical_id: str, properties: Properties, place: Place) -> Identity:
    name = _name(logical_id, properties, place, "RoleName")
    return Identity(name, name, f"arn:aws:iam::{place.account_id}:role/{name}")


def _secret(logical_id: str, properties: Properties, place: Place) -> Identity:
    name = _name(logical_id, properties, place, "Name")
    arn = place.arn("secretsmanager", f"secret:{name}")
    return Identity(arn, name, arn, {"Id": arn})


def _log_group(logical_id: str, properties: Properties, place: Place) -> Identity:
    name = _name(logical_id, properties, place, "LogGroupName")
    return Identity(name, name, place.arn("logs", f"log-group:{name}:*"))


def _other(kind: str) -> Identify:
    parts = kind.split("::")
    service = parts[1].lower() if len(parts) > 1 else "custom"

    def other(logical_id: str, _properties: Properties, place: Place) -> Identity:
        name = f"{place.stack_name}-{logical_id}"
        return Identity(name, name, place.arn(service, name))

    return other


_BY_KIND: dict[str, Identify] = {
    "AWS::Serverless::Function": _function,
    "AWS::Serverless::LayerVersion": _layer,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::LayerVersion": _layer,
    "AWS::Lambda::Alias": _alias,
    "AWS::Lambda::Version": _version,
    "AWS::Serverless::HttpApi": _http_api,
    "AWS::SQS::Queue": _queue,
    "AWS::Events::EventBus": _bus,
    "AWS::Events::Rule": _rule,
    "AWS::Scheduler::Schedule": _schedule,
    "AWS::Scheduler::ScheduleGroup": _schedule_group,
    "AWS::SES::EmailIdentity": _email_identity,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::IAM::Role": _role,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::SecretsManager::Secret": _secret,
}

"""The application that a template declares: resolved, typed, and free of CloudFormation.

`parse.load` makes these from a template; every other module of the emulator reads only them.
Durations carry their unit in the name. Names are physical names; `arn` fields are full ARNs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LATEST = "$LATEST"
PUBLISHED = "1"
"""The version that is published here; its code and configuration are always the latest."""


@dataclass(frozen=True)
class EventInvokeConfig:
    """How asynchronous invocations of a function are retried (AWS::Lambda::EventInvokeConfig)."""

    maximum_event_age_s: int = 21_600
    maximum_retry_attempts: int = 2
    on_failure_arn: str | None = None
    on_success_arn: str | None = None


@dataclass(frozen=True)
class Details:
    """What Lambda's API tells of a function while nothing here runs by it."""

    description: str = ""
    role: str = ""
    architectures: tuple[str, ...] = ("x86_64",)
    ephemeral_storage_mb: int = 512
    tracing: str = "PassThrough"
    snap_start: str = "None"
    log_group: str | None = None
    log_format: str = "Text"
    layer_arns: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    secret_variables: frozenset[str] = frozenset()
    """Environment variables that hold the value of a NoEcho parameter."""
    has_event_invoke: bool = False


@dataclass(frozen=True)
class Function:
    """One function; `inline_code` is the text of its module `index`, if the template holds it.

    `aliases` are names of its version 1, which `is_published` says that it has.
    """

    logical_id: str
    name: str
    arn: str
    handler: str
    runtime: str
    code_dir: Path
    layer_dirs: tuple[Path, ...]
    environment: Mapping[str, str]
    timeout_s: int
    memory_mb: int
    reserved_concurrency: int | None
    event_invoke: EventInvokeConfig = field(default_factory=EventInvokeConfig)
    dead_letter_arn: str | None = None
    inline_code: str | None = None
    details: Details = field(default_factory=Details)
    aliases: tuple[str, ...] = ()
    is_published: bool = False

    @property
    def versions(self) -> tuple[str, ...]:
        """Its versions, the latest first."""
        return (LATEST, PUBLISHED) if self.is_published else (LATEST,)

    def knows(self, qualifier: str) -> bool:
        """Return whether a version or an alias has this name; none at all is the latest."""
        return qualifier in {"", *self.versions, *self.aliases}


@dataclass(frozen=True)
class Cors:
    """The CORS configuration of an HTTP API."""

    allow_origins: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age_s: int | None = None


@dataclass(frozen=True)
class Throttle:
    """A token bucket: `rate` requests a second refill `burst` tokens. None is no limit."""

    rate: float | None = None
    burst: int | None = None


@dataclass(frozen=True)
class Authorizer:
    """A function that decides who may use a route.

    `function` is its physical name. `identity_sources` are selection expressions such as
    `$request.header.Authorization`; a request that lacks one is refused unasked. Results are kept
    for `ttl_s` by the values of these, unless that is 0 or there are none.
    """

    name: str
    function: str
    payload_version: str = "2.0"
    simple_responses: bool = False
    identity_sources: tuple[str, ...] = ()
    ttl_s: int = 300


@dataclass(frozen=True)
class Uncheckable:
    """A protection that the emulator cannot check, so that no request may pass."""

    reason: str


@dataclass(frozen=True)
class Route:
    """One route of an HTTP API: `key` is AWS's route key, such as `POST /v1/payments`."""

    key: str
    function: str
    timeout_ms: int = 30_000
    throttle: Throttle = field(default_factory=Throttle)
    payload_version: str = "2.0"
    protection: Authorizer | Uncheckable | None = None


@dataclass(frozen=True)
class HttpApi:
    """One AWS::Serverless::HttpApi with the routes of all functions that name it.

    `execution_arn` is what the ARNs of its routes begin with; `access_log_format` is the line that
    AccessLogSettings asks for, with `$context` variables.
    """

    logical_id: str
    api_id: str
    stage: str
    routes: tuple[Route, ...]
    cors: Cors | None = None
    throttle: Throttle = field(default_factory=Throttle)
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    execution_arn: str = ""
    access_log_format: str | None = None


@dataclass(frozen=True)
class Queue:
    """One AWS::SQS::Queue; `attributes` are as CreateQueue takes them, RedrivePolicy included."""

    logical_id: str
    name: str
    arn: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class QueueMapping:
    """One SQS event source mapping."""

    function: str
    queue_name: str
    queue_arn: str
    batch_size: int = 10
    maximum_batching_window_s: float = 0
    maximum_concurrency: int | None = None
    report_batch_item_failures: bool = False
    filters: tuple[Mapping[str, Any], ...] = ()
    enabled: bool = True


@dataclass(frozen=True)
class EventBus:
    """One AWS::Events::EventBus."""

    logical_id: str
    name: str
    arn: str


@dataclass(frozen=True)
class Target:
    """Where a rule or schedule sends: an SQS queue's or a function's ARN.

    `event` is a schedule's EventBridgeParameters: DetailType and Source of what a bus gets.
    """

    arn: str
    input: str | None = None
    maximum_event_age_s: int = 86_400
    maximum_retry_attempts: int = 185
    dead_letter_arn: str | None = None
    message_group_id: str | None = None
    input_path: str | None = None
    input_transformer: Mapping[str, Any] | None = None
    event: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Rule:
    """One AWS::Events::Rule (or a function's EventBridgeRule event)."""

    logical_id: str
    name: str
    bus_name: str
    pattern: Mapping[str, Any] | None
    schedule_expression: str | None
    targets: tuple[Target, ...]
    enabled: bool = True


@dataclass(frozen=True)
class Schedule:
    """One AWS::Scheduler::Schedule (or a function's ScheduleV2 event).

    `window_min` is its flexible time window in minutes, 0 for none; with `delete_after` it is
    deleted once it is over.
    """

    logical_id: str
    name: str
    group: str
    expression: str
    timezone: str
    target: Target
    start: str | None = None
    end: str | None = None
    enabled: bool = True
    window_min: int = 0
    delete_after: bool = False


@dataclass(frozen=True)
class Application:
    """Everything that one template declares."""

    template_path: Path
    region: str
    account_id: str
    functions: Mapping[str, Function]
    http_apis: tuple[HttpApi, ...]
    queues: tuple[Queue, ...]
    mappings: tuple[QueueMapping, ...]
    buses: tuple[EventBus, ...]
    rules: tuple[Rule, ...]
    schedules: tuple[Schedule, ...]
    schedule_groups: tuple[str, ...] = ()
    email_identities: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def kinds_on_endpoint(self) -> list[str]:
        """What of it lives on an AWS endpoint, in words; nothing if it needs none."""
        kinds = {
            "queues": self.queues or self.mappings,
            "buses": self.buses,
            "rules": self.rules,
            "schedules": self.schedules,
            "senders of mail": self.email_identities,
        }
        return [kind for kind, found in kinds.items() if found]

"""Event buses, rules and schedules, as resources and as functions' events."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emulator import targets as reachable
from emulator.cron.expressions import Cron, ExpressionError, moment, parse, time_zone
from emulator.patterns import PatternError, compile_pattern
from emulator.template import catalogue
from emulator.template.model import EventBus, Rule, Schedule, Target
from emulator.template.properties import Properties
from emulator.template.stack import Stack


def buses(stack: Stack) -> tuple[EventBus, ...]:
    """Return the custom event buses."""
    return tuple(
        EventBus(resource.logical_id, resource.identity.name, resource.identity.arn)
        for resource in stack.of_kind(catalogue.BUS)
    )


def schedule_groups(stack: Stack) -> tuple[str, ...]:
    """Return the names of the schedule groups."""
    return tuple(resource.identity.name for resource in stack.of_kind(catalogue.SCHEDULE_GROUP))


def email_identities(stack: Stack) -> tuple[str, ...]:
    """Return the addresses and domains that mail is sent from."""
    return tuple(resource.identity.name for resource in stack.of_kind(catalogue.EMAIL_IDENTITY))


@dataclass
class Timetable:
    """Gathers rules and schedules from resources and from functions' events."""

    stack: Stack
    rules: list[Rule] = field(default_factory=list)
    schedules: list[Schedule] = field(default_factory=list)

    def add_resources(self) -> None:
        """Add each AWS::Events::Rule and AWS::Scheduler::Schedule."""
        for resource in self.stack.of_kind(catalogue.RULE):
            with self.stack.leaving_out(resource.logical_id):
                properties = resource.properties
                targets = tuple(self._target(item) for item in properties.sections("Targets"))
                self._add_rule(resource.logical_id, resource.identity.name, properties, targets)
        for resource in self.stack.of_kind(catalogue.SCHEDULE):
            with self.stack.leaving_out(resource.logical_id):
                properties = resource.properties
                target = self._target(properties.section("Target"))
                name = resource.identity.name
                self._add_schedule(resource.logical_id, name, properties, target)

    def add_rule_event(self, logical_id: str, function_arn: str, event: Properties) -> None:
        """Add a function's EventBridgeRule, CloudWatchEvent or Schedule event."""
        name = event.text("RuleName") or event.text("Name") or self._name(logical_id)
        self._add_rule(logical_id, name, event, (self._target(event, function_arn),))

    def add_schedule_event(self, logical_id: str, function_arn: str, event: Properties) -> None:
        """Add a function's ScheduleV2 event."""
        name = event.text("Name") or logical_id
        self._add_schedule(logical_id, name, event, self._target(event, function_arn))

    def _name(self, logical_id: str) -> str:
        return f"{self.stack.place.stack_name}-{logical_id}"

    def _add_rule(
        self, logical_id: str, name: str, properties: Properties, targets: tuple[Target, ...]
    ) -> None:
        pattern = properties.json("EventPattern") or properties.json("Pattern")
        expression = properties.text("ScheduleExpression") or properties.text("Schedule")
        if not pattern and not expression:
            raise properties.fail("EventPattern", "or ScheduleExpression is required")
        bus = (properties.text("EventBusName") or "default").rsplit("/", 1)[-1]
        if expression and bus != "default":
            raise properties.fail("ScheduleExpression", "is only for rules on the default bus")
        if pattern:
            _check(properties, "EventPattern", lambda: compile_pattern(pattern))
        if expression:
            key = "ScheduleExpression" if "ScheduleExpression" in properties else "Schedule"
            self._check_expression(properties, key, expression)
        self._warn_of_targets(properties, targets, is_scheduled=expression is not None)
        self.rules.append(
            Rule(logical_id, name, bus, pattern, expression, targets, self._is_enabled(properties))
        )

    def _add_schedule(
        self, logical_id: str, name: str, properties: Properties, target: Target
    ) -> None:
        expression = properties.required_text("ScheduleExpression")
        timezone = properties.text("ScheduleExpressionTimezone") or "UTC"
        start, end = properties.text("StartDate"), properties.text("EndDate")
        self._check_expression(properties, "ScheduleExpression", expression)
        _check(properties, "ScheduleExpressionTimezone", lambda: time_zone(timezone))
        _check(properties, "StartDate", lambda: moment(start))
        _check(properties, "EndDate", lambda: moment(end))
        self.schedules.append(
            Schedule(
                logical_id=logical_id,
                name=name,
                group=properties.text("GroupName") or "default",
                expression=expression,
                timezone=timezone,
                target=target,
                start=start,
                end=end,
                enabled=self._is_enabled(properties),
                window_min=_window_min(properties.section("FlexibleTimeWindow")),
                delete_after=properties.text("ActionAfterCompletion") == "DELETE",
            )
        )

    def _check_expression(self, properties: Properties, key: str, expression: str) -> None:
        _check(properties, key, lambda: parse(expression))
        parsed = parse(expression)
        if isinstance(parsed, Cron) and parsed.never_fires:
            reason = f"{properties.where}: {expression} never fires: no month has such a day"
            self.stack.warn(properties.line(key), reason)

    def _warn_of_targets(
        self, properties: Properties, targets: tuple[Target, ...], *, is_scheduled: bool
    ) -> None:
        reason = None
        if is_scheduled and any(item.input_path or item.input_transformer for item in targets):
            reason = "InputPath and InputTransformer of a scheduled rule are not emulated"
        if reason:
            self.stack.warn(properties.raw.line, f"{properties.where}: {reason}")

    def _is_enabled(self, properties: Properties) -> bool:
        state = properties.text("State")
        if state not in (
            None,
            "ENABLED",
            "DISABLED",
            "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
        ):
            raise properties.fail("State", "must be ENABLED or DISABLED")
        return properties.boolean("Enabled", True) and state != "DISABLED"

    def _target(self, properties: Properties, arn: str | None = None) -> Target:
        retry = properties.section("RetryPolicy")
        dead_letters = properties.section("DeadLetterConfig")
        age = retry.integer("MaximumEventAgeInSeconds", minimum=60, maximum=86_400)
        attempts = retry.integer("MaximumRetryAttempts", minimum=0, maximum=185)
        arn = arn or properties.required_text("Arn")
        if reachable.service(arn) is None:
            reason = f"{properties.where}: {arn} is not emulated as a target"
            self.stack.warn(properties.line("Arn"), reason)
        if dead_letters.raw and "Arn" not in dead_letters:
            raise dead_letters.fail("Arn", "is required, or Type: SQS in a function's event")
        return Target(
            arn=arn,
            input=_json_text(properties.get("Input")),
            maximum_event_age_s=86_400 if age is None else age,
            maximum_retry_attempts=185 if attempts is None else attempts,
            dead_letter_arn=dead_letters.text("Arn"),
            message_group_id=properties.section("SqsParameters").text("MessageGroupId"),
            input_path=properties.text("InputPath"),
            input_transformer=properties.json("InputTransformer"),
            event=_texts(properties.section("EventBridgeParameters"), ("DetailType", "Source")),
        )


def _window_min(window: Properties) -> int:
    if window.text("Mode") in (None, "OFF"):
        return 0
    minutes = window.integer("MaximumWindowInMinutes", minimum=1, maximum=1_440)
    if minutes is None:
        raise window.fail("MaximumWindowInMinutes", "is required with Mode: FLEXIBLE")
    return minutes


def _texts(properties: Properties, names: tuple[str, ...]) -> dict[str, str] | None:
    return {name: properties.required_text(name) for name in names} if properties.raw else None


def _check(properties: Properties, key: str, read: Callable[[], object]) -> None:
    try:
        read()
    except (ExpressionError, PatternError) as error:
        raise properties.fail(key, f"is not valid: {error}") from None


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))

"""Reads a SAM template into an `Application`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emulator.template import catalogue
from emulator.template.apis import Apis
from emulator.template.errors import TemplateError
from emulator.template.functions import function, layers
from emulator.template.identities import Place
from emulator.template.model import Application, Function
from emulator.template.properties import Properties
from emulator.template.queues import Mappings, queues
from emulator.template.rules import Timetable, buses, schedule_groups
from emulator.template.stack import Resource, Stack

__all__ = ["TemplateError", "load"]


def load(
    path: Path,
    parameters: Mapping[str, str] | None = None,
    *,
    region: str = "us-east-1",
    account_id: str = "000000000000",
    stack_name: str = "local",
    aws_endpoint: str | None = None,
) -> Application:
    """Return what the template declares, with these parameter values.

    With `aws_endpoint`, `!Ref` of a queue is its URL there. Raises TemplateError, which names the
    line, for a template that AWS would refuse; what the emulator leaves out is in `warnings`.
    """
    place = Place(region, account_id, stack_name, aws_endpoint)
    stack = Stack(path, parameters or {}, place)
    functions, resources = _functions(stack)
    names = {name: name for name in functions} | {f.arn: f.name for f in functions.values()}
    sources = _Sources(Apis(stack), Mappings(stack, names), Timetable(stack))
    for resource in resources:
        events = resource.properties.section("Events")
        for event_name in events:
            sources.add(resource, event_name, events.section(event_name))
    sources.mappings.add_resources()
    sources.timetable.add_resources()
    return Application(
        template_path=path,
        region=region,
        account_id=account_id,
        functions=functions,
        http_apis=sources.apis.build(),
        queues=queues(stack),
        mappings=tuple(sources.mappings.found),
        buses=buses(stack),
        rules=tuple(sources.timetable.rules),
        schedules=tuple(sources.timetable.schedules),
        schedule_groups=schedule_groups(stack),
        warnings=tuple(stack.warnings),
    )


def _functions(stack: Stack) -> tuple[dict[str, Function], list[Resource]]:
    """Return the functions that can run, by name, and their resources."""
    layer_dirs = layers(stack)
    functions: dict[str, Function] = {}
    resources = []
    for resource in stack.of_kind(catalogue.FUNCTION):
        made = function(stack, resource, layer_dirs)
        if made is None:
            continue
        if made.name in functions:
            raise resource.properties.fail("FunctionName", f"{made.name} is taken already")
        functions[made.name] = made
        resources.append(resource)
    return functions, resources


@dataclass(frozen=True)
class _Sources:
    """What calls functions, gathered from their events."""

    apis: Apis
    mappings: Mappings
    timetable: Timetable

    def add(self, resource: Resource, name: str, event: Properties) -> None:
        """Add one event of a function."""
        function_name, arn = resource.identity.name, resource.identity.arn
        logical_id = resource.logical_id + name
        properties = event.section("Properties")
        match event.required_text("Type"):
            case "HttpApi":
                self.apis.add(function_name, properties)
            case "SQS":
                self.mappings.add(function_name, properties, properties.text("Queue") or "")
            case "EventBridgeRule" | "CloudWatchEvent" | "Schedule":
                self.timetable.add_rule_event(logical_id, arn, properties)
            case "ScheduleV2":
                self.timetable.add_schedule_event(logical_id, arn, properties)
            case kind:
                reason = f"{event.where}: events of type {kind} are not emulated"
                self.apis.stack.warn(event.line("Type"), reason)

"""Reads a SAM template into an `Application`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulator.template import catalogue, qualifiers
from emulator.template.apis import Apis
from emulator.template.errors import TemplateError, together
from emulator.template.functions import function, layers
from emulator.template.identities import Place
from emulator.template.intrinsics import intrinsic_of
from emulator.template.model import Application, Function, Queue
from emulator.template.properties import Properties
from emulator.template.queues import Mappings, queues
from emulator.template.references import tell_others
from emulator.template.rules import Timetable, buses, email_identities, schedule_groups
from emulator.template.source import Map
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
    try:
        return _load(path, parameters or {}, Place(region, account_id, stack_name, aws_endpoint))
    except RecursionError:
        raise TemplateError(path, None, "it is nested too deeply") from None


def _load(path: Path, parameters: Mapping[str, str], place: Place) -> Application:
    stack = Stack(path, parameters, place)
    functions, resources = _functions(stack)
    qualifiers.publish(stack, functions)
    names = qualifiers.names(functions)
    sources = _Sources(stack, Apis(stack, names), Mappings(stack, names), Timetable(stack))
    for resource in resources:
        sources.add_events(resource)
    sources.mappings.add_resources()
    sources.timetable.add_resources()
    known_queues = queues(stack)
    _leave_out_lost(stack, sources.mappings, known_queues)
    http_apis, known_buses = sources.apis.build(), buses(stack)
    groups, identities = schedule_groups(stack), email_identities(stack)
    tell_others(stack)
    qualifiers.tell(stack, functions, sources.timetable.rules, sources.timetable.schedules)
    app = Application(
        template_path=path,
        region=place.region,
        account_id=place.account_id,
        functions=functions,
        http_apis=http_apis,
        queues=known_queues,
        mappings=tuple(sources.mappings.found),
        buses=known_buses,
        rules=tuple(sources.timetable.rules),
        schedules=tuple(sources.timetable.schedules),
        schedule_groups=groups,
        email_identities=identities,
        warnings=tuple(dict.fromkeys(stack.warnings)),
    )
    if stack.errors and not functions:
        raise together(stack.errors, stack.warnings)
    return app


def _leave_out_lost(stack: Stack, mappings: Mappings, found: Sequence[Queue]) -> None:
    """Leave out mappings of a queue that is the template's and could not be read."""
    present = {queue.arn for queue in found}
    declared = {resource.identity.arn for resource in stack.of_kind(catalogue.QUEUE)}
    for mapping in [each for each in mappings.found if each.queue_arn in declared - present]:
        mappings.found.remove(mapping)
        stack.warn(None, f"{mapping.function} gets nothing of {mapping.queue_name}: it is left out")


def _functions(stack: Stack) -> tuple[dict[str, Function], list[Resource]]:
    """Return the functions that can run, by name, and their resources."""
    layer_dirs = layers(stack)
    functions: dict[str, Function] = {}
    found = []
    for kind in (catalogue.FUNCTION, catalogue.RAW_FUNCTION):
        for resource in stack.of_kind(kind):
            with stack.leaving_out(resource.logical_id):
                made = function(stack, resource, layer_dirs)
                if made is None:
                    continue
                if made.name in functions:
                    reason = f"{made.name} is taken already"
                    raise resource.properties.fail("FunctionName", reason)
                functions[made.name] = made
                found.append(resource)
    return functions, found


@dataclass(frozen=True)
class _Sources:
    """What calls functions, gathered from their events."""

    stack: Stack
    apis: Apis
    mappings: Mappings
    timetable: Timetable

    def add_events(self, resource: Resource) -> None:
        """Add all events of a function; one that cannot be read harms no other."""
        properties = resource.properties
        raw = properties.raw.get("Events")
        with self.stack.leaving_out(f"Events of {resource.logical_id}"):
            if isinstance(raw, Map) and intrinsic_of(raw) is None:
                events = Properties(raw, properties.resolver, f"{properties.where}: Events")
            else:
                events = properties.section("Events")
            for name in events:
                with self.stack.leaving_out(f"{resource.logical_id}'s event {name}"):
                    if name in events:
                        self._add(resource, name, events.section(name))

    def _add(self, resource: Resource, name: str, event: Properties) -> None:
        function_name, arn = resource.identity.name, resource.identity.arn
        logical_id = resource.logical_id + name
        properties = event.section("Properties")
        kind = event.required_text("Type")
        if kind in catalogue.EVENTS:
            self.stack.warn_of_unknown(properties, catalogue.EVENTS[kind])
        match kind:
            case "HttpApi":
                self.apis.add(function_name, properties)
            case "SQS":
                self.mappings.add(function_name, properties, properties.text("Queue") or "")
            case "EventBridgeRule" | "CloudWatchEvent" | "Schedule":
                self.timetable.add_rule_event(logical_id, arn, properties)
            case "ScheduleV2":
                self.timetable.add_schedule_event(logical_id, arn, properties)
            case _:
                reason = f"{event.where}: events of type {kind} are not emulated"
                self.stack.warn(event.line("Type"), reason)

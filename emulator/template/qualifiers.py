"""Versions and aliases that a template declares beside its functions, and who names others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from emulator.targets import function_reference
from emulator.template import catalogue
from emulator.template.model import Function, Rule, Schedule
from emulator.template.stack import Stack


def publish(stack: Stack, functions: dict[str, Function]) -> None:
    """Add each AWS::Lambda::Version and AWS::Lambda::Alias to its function."""
    for kind in (catalogue.VERSION, catalogue.ALIAS):
        for resource in stack.of_kind(kind):
            with stack.leaving_out(resource.logical_id):
                properties = resource.properties
                reference = function_reference(properties.required_text("FunctionName"))
                function = functions.get(reference.partition(":")[0])
                if function is None:
                    reason = f"{properties.where}: its function is not run here"
                    stack.warn(properties.line("FunctionName"), reason)
                    continue
                aliases = function.aliases
                if kind == catalogue.ALIAS:
                    properties.required_text("FunctionVersion")
                    aliases = (*aliases, properties.required_text("Name"))
                functions[function.name] = replace(function, aliases=aliases, is_published=True)


def names(functions: Mapping[str, Function]) -> dict[str, str]:
    """Return each function's name by all that it may be called by: name, ARN and qualifier."""
    found = {}
    for function in functions.values():
        for qualifier in ("", *function.versions, *function.aliases):
            end = f":{qualifier}" if qualifier else ""
            found[function.name + end] = found[function.arn + end] = function.name
    return found


def problem(arn: str, functions: Mapping[str, Function]) -> str | None:
    """Return what is wrong with an ARN of one of these functions, or None."""
    if arn.split(":")[2:3] != ["lambda"]:
        return None
    name, _, qualifier = function_reference(arn).partition(":")
    function = functions.get(name)
    if function is None or function.knows(qualifier):
        return None
    return f"the function {name} has no version or alias {qualifier}"


def tell(
    stack: Stack,
    functions: Mapping[str, Function],
    rules: Iterable[Rule],
    schedules: Iterable[Schedule],
) -> None:
    """Say of each target and destination that names no version and no alias that it is so."""
    named = [(rule.name, target.arn) for rule in rules for target in rule.targets]
    named += [(schedule.name, schedule.target.arn) for schedule in schedules]
    for function in functions.values():
        config = function.event_invoke
        arns = (config.on_failure_arn, config.on_success_arn)
        named += [(function.name, arn) for arn in arns if arn is not None]
    for who, arn in named:
        reason = problem(arn, functions)
        if reason is not None:
            stack.warn(None, f"{who} sends to {arn}: {reason}")

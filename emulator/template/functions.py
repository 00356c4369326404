"""Functions and layers: AWS::Serverless::Function and AWS::Serverless::LayerVersion."""

from __future__ import annotations

from pathlib import Path

from emulator.template import catalogue
from emulator.template.details import details
from emulator.template.intrinsics import as_text
from emulator.template.model import EventInvokeConfig, Function
from emulator.template.properties import Properties
from emulator.template.source import Map
from emulator.template.stack import Resource, Stack

MAX_ENVIRONMENT_BYTES = 4096


def layers(stack: Stack) -> dict[str, Path]:
    """Return the directory that goes on the path for each layer's ARN.

    On Lambda a Python layer is unpacked to /opt and `/opt/python` is on the path; a layer that a
    makefile builds has its packages directly in ContentUri.
    """
    result: dict[str, Path] = {}
    for resource in stack.of_kind(catalogue.LAYER):
        content = _local_dir(stack, resource.properties, "ContentUri")
        if content is not None:
            inner = content / "python"
            result[resource.identity.arn] = inner if inner.is_dir() else content
    return result


def function(stack: Stack, resource: Resource, layer_dirs: dict[str, Path]) -> Function | None:
    """Return one function, or None with a warning if it cannot run here."""
    properties = resource.properties
    if properties.text("PackageType") == "Image" or "InlineCode" in properties:
        reason = f"{properties.where}: images and inline code are not run; it needs CodeUri"
        stack.warn(resource.line, reason)
        return None
    code_dir = _local_dir(stack, properties, "CodeUri")
    if code_dir is None:
        return None
    environment = _environment(properties)
    return Function(
        logical_id=resource.logical_id,
        name=resource.identity.name,
        arn=resource.identity.arn,
        handler=properties.required_text("Handler"),
        runtime=properties.required_text("Runtime"),
        code_dir=code_dir,
        layer_dirs=_layers(stack, properties, layer_dirs),
        environment=environment,
        timeout_s=properties.integer("Timeout", minimum=1, maximum=900) or 3,
        memory_mb=properties.integer("MemorySize", minimum=128, maximum=10_240) or 128,
        reserved_concurrency=properties.integer(
            "ReservedConcurrentExecutions", minimum=0, maximum=1_000_000
        ),
        event_invoke=_event_invoke(stack, properties),
        dead_letter_arn=properties.section("DeadLetterQueue").text("TargetArn"),
        details=details(stack, resource, environment),
    )


def _local_dir(stack: Stack, properties: Properties, key: str) -> Path | None:
    value = properties.get(key)
    if value is None:
        value = "."
    if not isinstance(value, str) or value.startswith(("s3://", "https://")):
        reason = f"{properties.where}: {key} is not a local directory; it is left out"
        stack.warn(properties.line(key), reason)
        return None
    directory = (stack.path.parent / value).resolve()
    if not directory.is_dir():
        stack.warn(properties.line(key), f"{properties.where}: {key} {value} does not exist")
    return directory


def _layers(stack: Stack, properties: Properties, layer_dirs: dict[str, Path]) -> tuple[Path, ...]:
    found = []
    for arn in properties.texts("Layers"):
        if arn in layer_dirs:
            found.append(layer_dirs[arn])
        else:
            reason = f"{properties.where}: the layer {arn} is not in this template; it is left out"
            stack.warn(properties.line("Layers"), reason)
    return tuple(found)


def _environment(properties: Properties) -> dict[str, str]:
    variables = properties.section("Environment").mapping("Variables")
    result: dict[str, str] = {}
    for name, value in variables.items():
        if isinstance(value, (Map, list)) or value is None:
            raise properties.fail("Environment", f"variable {name} must be a text")
        result[name] = as_text(value)
    if sum(len(name) + len(value) for name, value in result.items()) > MAX_ENVIRONMENT_BYTES:
        raise properties.fail("Environment", "is larger than Lambda's 4 KB")
    return result


def _event_invoke(stack: Stack, properties: Properties) -> EventInvokeConfig:
    config = properties.section("EventInvokeConfig")
    age = config.integer("MaximumEventAgeInSeconds", minimum=60, maximum=21_600)
    attempts = config.integer("MaximumRetryAttempts", minimum=0, maximum=2)
    on_failure = config.section("DestinationConfig").section("OnFailure")
    destination = on_failure.text("Destination")
    if on_failure.raw and not destination:
        reason = f"{on_failure.where}: write the Destination's ARN; SAM's own queue is not made"
        stack.warn(on_failure.raw.line, reason)
    if "OnSuccess" in config.section("DestinationConfig"):
        stack.warn(config.raw.line, f"{config.where}: OnSuccess is not emulated")
    return EventInvokeConfig(
        maximum_event_age_s=21_600 if age is None else age,
        maximum_retry_attempts=2 if attempts is None else attempts,
        on_failure_arn=destination,
    )

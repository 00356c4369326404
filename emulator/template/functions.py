"""Functions and layers, as SAM declares them and as CloudFormation does."""

from __future__ import annotations

from pathlib import Path

from emulator.template import catalogue
from emulator.template.details import details
from emulator.template.errors import OnlyElsewhere
from emulator.template.intrinsics import NO_VALUE, as_text, intrinsic_of
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
    for kind, key in ((catalogue.LAYER, "ContentUri"), (catalogue.RAW_LAYER, "Content")):
        for resource in stack.of_kind(kind):
            with stack.leaving_out(resource.logical_id):
                content = _local_dir(stack, resource.properties, key)
                if content is not None:
                    inner = content / "python"
                    result[resource.identity.arn] = inner if inner.is_dir() else content
    return result


def function(stack: Stack, resource: Resource, layer_dirs: dict[str, Path]) -> Function | None:
    """Return one function, or None with a warning if it cannot run here."""
    properties = resource.properties
    is_raw = resource.kind == catalogue.RAW_FUNCTION
    if properties.text("PackageType") == "Image":
        stack.warn(resource.line, f"{properties.where}: container images are not run")
        return None
    if is_raw:
        properties.required_text("Role")  # SAM makes one, CloudFormation does not
    runtime = properties.required_text("Runtime")
    if not runtime.startswith("python3."):
        reason = f"{properties.where}: functions for {runtime} are not run, only for Python 3"
        stack.warn(properties.line("Runtime"), reason)
        return None
    for key in ("FunctionUrlConfig", "FileSystemConfigs"):
        if key in properties:
            stack.warn(properties.line(key), f"{properties.where}: {key} is not emulated")
    inline_code = _inline_code(properties, is_raw)
    code_dir: Path | None = stack.path.parent
    if inline_code is None:
        code_dir = _local_dir(stack, properties, "Code" if is_raw else "CodeUri")
    if code_dir is None:
        return None
    environment = _environment(stack, properties)
    alias = None if is_raw else properties.text("AutoPublishAlias")
    return Function(
        logical_id=resource.logical_id,
        name=resource.identity.name,
        arn=resource.identity.arn,
        handler=properties.required_text("Handler"),
        runtime=runtime,
        code_dir=code_dir,
        layer_dirs=_layers(stack, properties, layer_dirs),
        environment=environment,
        timeout_s=properties.integer("Timeout", minimum=1, maximum=900) or 3,
        memory_mb=properties.integer("MemorySize", minimum=128, maximum=10_240) or 128,
        reserved_concurrency=properties.integer(
            "ReservedConcurrentExecutions", minimum=0, maximum=1_000_000
        ),
        event_invoke=_event_invoke(stack, properties),
        dead_letter_arn=properties.section(
            "DeadLetterConfig" if is_raw else "DeadLetterQueue"
        ).text("TargetArn"),
        inline_code=inline_code,
        details=details(stack, resource, environment),
        aliases=() if alias is None else (alias,),
        is_published=alias is not None,
    )


def _inline_code(properties: Properties, is_raw: bool) -> str | None:
    if not is_raw:
        return properties.text("InlineCode")
    code = properties.get("Code")
    return properties.section("Code").text("ZipFile") if isinstance(code, Map) else None


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


def _variables(stack: Stack, properties: Properties) -> Map:
    """Return the variables, without those whose values only AWS could tell: the rest runs."""
    raw = properties.raw.get("Environment")
    if isinstance(raw, Map) and intrinsic_of(raw) is None:
        raw = raw.get("Variables")
    if not isinstance(raw, Map) or intrinsic_of(raw) is not None:
        return properties.section("Environment").mapping("Variables")
    each = Properties(raw, properties.resolver, f"{properties.where}: Environment")
    found = Map(raw.line)
    for name in each:
        try:
            value = properties.resolver.resolve(raw[name], each.line(name))
        except OnlyElsewhere as error:
            left_out = f"the variable {name} is left out, unless --env {name}=VALUE gives it"
            stack.warnings.append(f"{error}; {left_out}")
            continue
        if value is not NO_VALUE:
            found.put(name, value, each.line(name))
    return found


def _environment(stack: Stack, properties: Properties) -> dict[str, str]:
    variables = _variables(stack, properties)
    result: dict[str, str] = {}
    for name, value in variables.items():
        if isinstance(value, (Map, list)) or value is None:
            raise properties.fail("Environment", f"variable {name} must be a text")
        result[name] = as_text(value)
        if "{{resolve:" in result[name]:
            reason = f"{properties.where}: {name} is {result[name]}, which only AWS can resolve"
            stack.warn(variables.line_of(name), f"{reason}; give --env {name}=VALUE")
    if sum(len(name) + len(value) for name, value in result.items()) > MAX_ENVIRONMENT_BYTES:
        raise properties.fail("Environment", "is larger than Lambda's 4 KB")
    return result


def _event_invoke(stack: Stack, properties: Properties) -> EventInvokeConfig:
    config = properties.section("EventInvokeConfig")
    age = config.integer("MaximumEventAgeInSeconds", minimum=60, maximum=21_600)
    attempts = config.integer("MaximumRetryAttempts", minimum=0, maximum=2)
    destinations = config.section("DestinationConfig")
    return EventInvokeConfig(
        maximum_event_age_s=21_600 if age is None else age,
        maximum_retry_attempts=2 if attempts is None else attempts,
        on_failure_arn=_destination(stack, destinations.section("OnFailure")),
        on_success_arn=_destination(stack, destinations.section("OnSuccess")),
    )


def _destination(stack: Stack, section: Properties) -> str | None:
    arn = section.text("Destination")
    if section.raw and not arn:
        stack.warn(section.raw.line, f"{section.where}: it names no Destination")
    elif arn is not None and arn.split(":")[2:3] not in (["sqs"], ["events"], ["lambda"]):
        reason = f"{section.where}: nothing is sent to {arn}; queues, buses and functions are"
        stack.warn(section.line("Destination"), reason)
        return None
    return arn

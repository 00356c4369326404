"""What Lambda's API tells of a function beside what it runs by."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.template.intrinsics import as_text
from emulator.template.model import Details
from emulator.template.properties import Properties
from emulator.template.stack import Resource, Stack


def details(stack: Stack, resource: Resource, environment: Mapping[str, str]) -> Details:
    """Return them as the template gives them, with Lambda's defaults for the rest."""
    properties = resource.properties
    logging, vpc = properties.section("LoggingConfig"), properties.section("VpcConfig")
    return Details(
        description=properties.text("Description") or "",
        role=properties.text("Role") or stack.attribute(f"{resource.logical_id}Role", "Arn"),
        architectures=properties.texts("Architectures") or ("x86_64",),
        ephemeral_storage_mb=properties.section("EphemeralStorage").integer(
            "Size", minimum=512, maximum=10_240
        )
        or 512,
        tracing=_tracing(properties) or "PassThrough",
        snap_start=properties.section("SnapStart").text("ApplyOn") or "None",
        log_group=logging.text("LogGroup"),
        log_format=logging.text("LogFormat") or "Text",
        layer_arns=properties.texts("Layers"),
        subnet_ids=vpc.texts("SubnetIds"),
        security_group_ids=vpc.texts("SecurityGroupIds"),
        tags=_tags(properties),
        secret_variables=frozenset(
            name
            for name, value in environment.items()
            if any(secret in value for secret in stack.secrets)
        ),
        has_event_invoke="EventInvokeConfig" in properties,
    )


def _tracing(properties: Properties) -> str | None:
    return properties.text("Tracing") or properties.section("TracingConfig").text("Mode")


def _tags(properties: Properties) -> dict[str, str]:
    """Return them from SAM's mapping or from CloudFormation's list."""
    if isinstance(properties.get("Tags"), list):
        tags = properties.sections("Tags")
        return {tag.required_text("Key"): tag.text("Value") or "" for tag in tags}
    return {name: as_text(value) for name, value in properties.mapping("Tags").items()}

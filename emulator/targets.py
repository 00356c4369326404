"""What a schedule can send to, by ARN."""

from __future__ import annotations

UNIVERSAL = ("sqs:sendMessage", "lambda:invoke", "eventbridge:putEvents")
"""Operations that a universal target (`arn:aws:scheduler:::aws-sdk:...`) may name."""


def function_reference(arn: str) -> str:
    """Return the name in a function's ARN, with `:qualifier` if the ARN has one; names stay."""
    parts = arn.split(":")
    return ":".join(parts[6:8]) if len(parts) > 6 else arn


def service(arn: str) -> str | None:
    """Return `sqs`, `lambda`, `events` or one of UNIVERSAL; None for what is not emulated."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return None
    _, _, name, _, _, resource = parts
    if name == "scheduler" and resource.startswith("aws-sdk:"):
        operation = resource.removeprefix("aws-sdk:")
        return operation if operation in UNIVERSAL else None
    if name == "events":
        return name if resource.startswith("event-bus/") else None
    return name if name in ("sqs", "lambda") else None

"""SQS queues and their event source mappings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from emulator.patterns import PatternError, compile_pattern
from emulator.targets import function_reference
from emulator.template import catalogue
from emulator.template.intrinsics import as_text
from emulator.template.model import Queue, QueueMapping
from emulator.template.properties import Properties
from emulator.template.source import Map
from emulator.template.stack import Stack

_ATTRIBUTES = (
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "VisibilityTimeout",
)


def queues(stack: Stack) -> tuple[Queue, ...]:
    """Return the queues; keys of encryption are left out, nothing is encrypted locally."""
    result = []
    for resource in stack.of_kind(catalogue.QUEUE):
        with stack.leaving_out(resource.logical_id):
            name, properties = resource.identity.name, resource.properties
            if properties.boolean("FifoQueue", False) != name.endswith(".fifo"):
                reason = "ends with .fifo exactly when FifoQueue is true"
                raise properties.fail("QueueName", reason)
            attributes = {
                key: _attribute(properties.get(key)) for key in _ATTRIBUTES if key in properties
            }
            result.append(Queue(resource.logical_id, name, resource.identity.arn, attributes))
    return tuple(result)


def _attribute(value: Any) -> str:
    if not isinstance(value, Map):
        return as_text(value)
    plain = {
        key: int(item) if key == "maxReceiveCount" and str(item).isdigit() else item
        for key, item in value.items()
    }
    return json.dumps(plain, separators=(",", ":"))


@dataclass
class Mappings:
    """Gathers event source mappings from functions' events and from resources of their own."""

    stack: Stack
    functions: dict[str, str]
    """A function's name by all that it may be called by."""
    found: list[QueueMapping] = field(default_factory=list)

    def add_resources(self) -> None:
        """Add each AWS::Lambda::EventSourceMapping."""
        for resource in self.stack.of_kind(catalogue.MAPPING):
            with self.stack.leaving_out(resource.logical_id):
                self._add_resource(resource.properties)

    def _add_resource(self, properties: Properties) -> None:
        reference = properties.required_text("FunctionName")
        function = self.functions.get(reference)
        if function is None:
            name, _, qualifier = function_reference(reference).partition(":")
            reason = f"{properties.where}: its function is not run here"
            if qualifier and name in self.functions:
                reason = f"{properties.where}: {name} has no version or alias {qualifier}"
            self.stack.warn(properties.line("FunctionName"), reason)
        else:
            self.add(function, properties, properties.text("EventSourceArn") or "")

    def add(self, function: str, properties: Properties, queue_arn: str) -> None:
        """Add a mapping of a function to a queue, checked as Lambda checks it."""
        parts = queue_arn.split(":")
        if len(parts) != 6 or parts[2] != "sqs":
            reason = f"{properties.where}: only SQS queues are emulated as event sources"
            self.stack.warn(properties.raw.line, reason)
            return
        if any(old.function == function and old.queue_arn == queue_arn for old in self.found):
            reason = f"{properties.where}: {function} is mapped to {parts[5]} already"
            raise self.stack.resolver.fail(properties.raw.line, reason)
        is_fifo = parts[5].endswith(".fifo")
        window = properties.integer("MaximumBatchingWindowInSeconds", minimum=0, maximum=300) or 0
        size = properties.integer("BatchSize", minimum=1, maximum=10 if is_fifo else 10_000) or 10
        if window and is_fifo:
            raise properties.fail("MaximumBatchingWindowInSeconds", "is not for FIFO queues")
        if size > 10 and not window:
            reason = (
                "is wrong: Maximum batch window in seconds must be greater than 0 if maximum"
                " batch size is greater than 10"
            )
            raise properties.fail("BatchSize", reason)
        responses = properties.texts("FunctionResponseTypes")
        if set(responses) - {"ReportBatchItemFailures"}:
            raise properties.fail("FunctionResponseTypes", "may only be ReportBatchItemFailures")
        scaling = properties.section("ScalingConfig")
        self.found.append(
            QueueMapping(
                function=function,
                queue_name=parts[5],
                queue_arn=queue_arn,
                batch_size=size,
                maximum_batching_window_s=window,
                maximum_concurrency=scaling.integer("MaximumConcurrency", minimum=2, maximum=1000),
                report_batch_item_failures=bool(responses),
                filters=tuple(_filters(properties.section("FilterCriteria"))),
                enabled=properties.boolean("Enabled", True),
            )
        )


def _filters(criteria: Properties) -> list[dict[str, Any]]:
    filters = []
    for item in criteria.sections("Filters"):
        pattern = item.json("Pattern")
        try:
            compile_pattern(pattern)
        except PatternError as error:
            raise item.fail("Pattern", f"is not valid: {error}") from None
        assert pattern is not None
        filters.append(pattern)
    return filters

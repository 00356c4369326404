"""Queues that SAM makes by itself, for dead letters that name none.

Source: AWS SAM specification, "EventBridgeRule", "DeadLetterConfig" and "EventInvokeConfiguration".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emulator.template import catalogue
from emulator.template.source import Map


def add_queues(resources: Map) -> None:
    """Add the queues to a template's resources, and to what asks for them their ARN."""
    for name, resource in list(resources.items()):
        if not isinstance(resource, Map) or resource.get("Type") != catalogue.FUNCTION:
            continue
        for logical_id, asking, key in _askers(name, resource.get("Properties")):
            line = asking.line_of("Type")
            made = asking.get("QueueLogicalId")
            made = made if isinstance(made, str) else logical_id
            if made not in resources:
                queue = Map(line)
                queue.put("Type", catalogue.QUEUE, line)
                if "Condition" in resource:
                    queue.put("Condition", resource["Condition"], line)
                resources.put(made, queue, line)
            arn = Map(line)
            arn.put("Fn::GetAtt", [made, "Arn"], line)
            asking.put(key, arn, line)


def _askers(function: str, properties: Any) -> Iterator[tuple[str, Map, str]]:
    """Yield the queue's logical id, what asks for it, and the key that takes its ARN."""
    for name, event in _map(properties, "Events").items():
        asking = _map(_map(event, "Properties"), "DeadLetterConfig")
        if _asks(asking, "Arn"):
            yield f"{function}{name}Queue", asking, "Arn"
    destinations = _map(_map(properties, "EventInvokeConfig"), "DestinationConfig")
    for outcome in ("OnFailure", "OnSuccess"):
        asking = _map(destinations, outcome)
        if _asks(asking, "Destination"):
            yield f"{function}EventInvokeConfig{outcome}Queue", asking, "Destination"


def _asks(asking: Map, key: str) -> bool:
    return asking.get("Type") == "SQS" and key not in asking


def _map(value: Any, key: str) -> Map:
    found = value.get(key) if isinstance(value, Map) else None
    return found if isinstance(found, Map) else Map()

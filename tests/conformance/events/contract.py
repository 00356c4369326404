"""Holds events that were sent against their models and against docs/events.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import BaseModel

from paywright.events.catalogue import Event

ROOT = Path(__file__).parents[3]
PUBLISHED: dict[str, Any] = json.loads((ROOT / "docs/events.schema.json").read_text())


def _closed(schema: Any) -> Any:
    """The schema with objects that take no other field than those listed.

    Receivers are told to expect new fields; we want to know of every one that is not described.
    """
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


_CLOSED = Draft202012Validator(_closed(PUBLISHED))


def check(text: str) -> Any:
    """The event that a text is, as its model; fail unless it is what its schema says."""
    _CLOSED.validate(json.loads(text))
    event: BaseModel = Event.model_validate_json(text).root
    return event

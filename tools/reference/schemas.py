"""How models become JSON Schema in the documents."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema


class Schemas(GenerateJsonSchema):
    """JSON Schema without a title for each field, which only repeats its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Whether a field gets one: never."""
        return False

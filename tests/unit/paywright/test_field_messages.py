"""What is said of a field that is too long or too short: characters of a text, items of a list."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import Field, SecretStr, StringConstraints

from paywright.errors import InvalidField
from paywright.http.fields import RequestModel, ShortText, Text
from paywright.http.messages import Request


class Body(RequestModel):
    """Fields as the API's models have them."""

    description: Annotated[Text, StringConstraints(min_length=2, max_length=5)] = "some"
    name: ShortText = "Ada"
    number: SecretStr = Field(default=SecretStr("12"), min_length=2, max_length=3)
    filters: list[str] = Field(default=["*"], min_length=1, max_length=2)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("description", "123456", "String should have at most 5 characters"),
        ("description", "1", "String should have at least 2 characters"),
        ("name", "x" * 256, "String should have at most 255 characters"),
        ("number", "1234", "String should have at most 3 characters"),
        ("number", "1", "String should have at least 2 characters"),
        ("filters", ["*"] * 3, "List should have at most 2 items after validation, not 3"),
        ("filters", [], "List should have at least 1 item after validation, not 0"),
    ],
)
def test_lengths_are_counted_in_what_there_is(field: str, value: Any, said: str) -> None:
    body = json.dumps({field: value}).encode()
    with pytest.raises(InvalidField) as refused:
        Request("POST", "/", {}, body, "req_1", None).parse(Body)
    assert str(refused.value) == f"{field}: {said}."

"""Typed access to a resource's properties: every refusal names the property and its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from emulator.template.errors import TemplateError
from emulator.template.intrinsics import NO_VALUE, Resolver, as_text
from emulator.template.source import Map


class Properties:
    """A mapping of the template whose values are resolved when they are asked for.

    `where` names it in messages, for example `Queue WebhookQueue`.
    """

    def __init__(self, raw: Map, resolver: Resolver, where: str) -> None:
        self.raw = raw
        self.resolver = resolver
        self.where = where

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def line(self, key: str) -> int:
        """Return the line on which the property stands."""
        return self.raw.line_of(key)

    def fail(self, key: str, reason: str) -> TemplateError:
        """Return the error to raise about one property."""
        return self.resolver.fail(self.line(key), f"{self.where}: {key} {reason}")

    def get(self, key: str) -> Any:
        """Return the resolved value, None if it is absent or AWS::NoValue."""
        if key not in self.raw:
            return None
        value = self.resolver.resolve(self.raw[key], self.line(key))
        return None if value is NO_VALUE else value

    def text(self, key: str) -> str | None:
        """Return a text; numbers and booleans are written as CloudFormation writes them."""
        value = self.get(key)
        if value is None:
            return None
        if isinstance(value, (dict, list)):
            raise self.fail(key, "must be a text")
        return as_text(value)

    def required_text(self, key: str) -> str:
        """Return a text that must be there."""
        value = self.text(key)
        if not value:
            raise self.fail(key, "is required")
        return value

    def integer(self, key: str, *, minimum: int, maximum: int) -> int | None:
        """Return a whole number within bounds."""
        value = self.get(key)
        if value is None:
            return None
        try:
            number = int(value) if isinstance(value, (int, str)) else None
        except ValueError:
            number = None
        if number is None or isinstance(value, bool) or not minimum <= number <= maximum:
            raise self.fail(key, f"must be a whole number from {minimum} to {maximum}")
        return number

    def number(self, key: str) -> float | None:
        """Return a number that is zero or more."""
        value = self.get(key)
        try:
            number = None if value is None else float(value)
        except (TypeError, ValueError):
            raise self.fail(key, "must be a number") from None
        if number is not None and not number >= 0:
            raise self.fail(key, "must be zero or more")
        return number

    def boolean(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.get(key)
        if value is None:
            return default
        if as_text(value).lower() not in ("true", "false"):
            raise self.fail(key, "must be true or false")
        return as_text(value).lower() == "true"

    def items(self, key: str) -> list[Any]:
        """Return a list, empty if it is absent; a single value counts as a list of one."""
        value = self.get(key)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(as_text(item) for item in self.items(key))

    def section(self, key: str) -> Properties:
        """Return a nested mapping, an empty one if it is absent."""
        return self._nested(key, self.get(key) or Map(self.line(key)))

    def sections(self, key: str) -> list[Properties]:
        """Return a list of nested mappings."""
        return [self._nested(key, item) for item in self.items(key)]

    def mapping(self, key: str) -> Map:
        """Return a nested mapping's resolved values."""
        return self.section(key).raw

    def json(self, key: str) -> dict[str, Any] | None:
        """Return a mapping that may also be written as JSON text."""
        value = self.get(key)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise self.fail(key, "is not JSON") from None
        if value is not None and not isinstance(value, dict):
            raise self.fail(key, "must be a mapping")
        return value

    def _nested(self, key: str, value: Any) -> Properties:
        if not isinstance(value, Map):
            raise self.fail(key, "must be a mapping")
        return Properties(value, self.resolver, f"{self.where}: {key}")

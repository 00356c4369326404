"""Looks for intrinsic functions that are unknown and for references that lead nowhere, everywhere.

What reads a part of the template stops at the first; AWS would refuse the template for any of
them, and whoever mends one wants to know of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from emulator.template.errors import locate
from emulator.template.intrinsics import (
    Resolver,
    intrinsic_of,
    no_attribute,
    no_reference,
    placeholders,
)
from emulator.template.source import Map
from emulator.template.stack import Stack


def tell_others(stack: Stack) -> None:
    """Warn of what is wrong in places that nothing has read."""
    for line, reason in _Search(stack.resolver, stack.is_known).of(stack.tree):
        sentence = locate(stack.path, line, reason)
        if not any(warning.startswith(sentence) for warning in stack.warnings):
            stack.warnings.append(f"{sentence}; AWS would refuse the template for it")


class _Search:
    """`knows` says whether there is a resource of a name."""

    def __init__(self, resolver: Resolver, knows: Callable[[str], bool]) -> None:
        self._resolver = resolver
        self._knows = knows
        self._visited: set[int] = set()

    def of(self, tree: Map) -> Iterator[tuple[int, str]]:
        """Yield line and reason of each problem in the sections that AWS resolves."""
        for section in ("Globals", "Conditions", "Resources", "Outputs"):
            yield from self._below(tree.get(section))

    def _below(self, value: Any) -> Iterator[tuple[int, str]]:
        # Aliases of YAML let one value stand in many places, even within itself.
        if not isinstance(value, (Map, list)) or id(value) in self._visited:
            return
        self._visited.add(id(value))
        if isinstance(value, list):
            for item in value:
                yield from self._below(item)
        else:
            function = intrinsic_of(value)
            if function is not None:
                line = value.line_of(function)
                for reason in self._wrong(function, value[function]):
                    yield line, reason
            for item in value.values():
                yield from self._below(item)

    def _wrong(self, function: str, value: Any) -> Iterator[str]:
        reason = self._resolver.unknown(function)
        if reason is not None:
            yield reason
        elif function == "Ref" and isinstance(value, str):
            yield from self._reference(value)
        elif function == "Fn::GetAtt":
            parts = value.split(".", 1) if isinstance(value, str) else value
            if isinstance(parts, list) and len(parts) > 1 and isinstance(parts[0], str):
                yield from self._attribute(parts[0], ".".join(map(str, parts[1:])))
        elif function == "Fn::Sub":
            text, own = (value, {}) if isinstance(value, str) else _parts_of_sub(value)
            for name in placeholders(text):
                if name not in own:
                    yield from self._named(name)

    def _named(self, name: str) -> Iterator[str]:
        if "." in name and not self._resolver.has(name):
            yield from self._attribute(*name.split(".", 1))
        else:
            yield from self._reference(name)

    def _reference(self, name: str) -> Iterator[str]:
        if not self._resolver.has(name) and not self._knows(name.partition(".")[0]):
            yield no_reference(name)

    def _attribute(self, name: str, attribute: str) -> Iterator[str]:
        if not self._knows(name):
            yield no_attribute(name, attribute)


def _parts_of_sub(value: Any) -> tuple[str, Any]:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
        return value[0], value[1] if isinstance(value[1], Map) else {}
    return "", {}

"""Which route of an HTTP API takes a request.

API Gateway developer guide, "Create routes for HTTP APIs": a full match first, then a greedy path
variable, then `$default`; more specific segments win, and a method wins over ANY.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from emulator.template.model import Route

_DEFAULT = "$default"


@dataclass(frozen=True)
class Match:
    """A route and the values of its path variables, decoded."""

    route: Route
    path_parameters: Mapping[str, str]


@dataclass
class _Leaf:
    """The routes that end at one place of the tree, by method."""

    by_method: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict)

    def find(self, method: str) -> tuple[Route, tuple[str, ...]] | None:
        return self.by_method.get(method) or self.by_method.get("ANY")


@dataclass
class _Node:
    """One segment of the paths of all routes."""

    fixed: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    here: _Leaf = field(default_factory=_Leaf)
    greedy: _Leaf = field(default_factory=_Leaf)


class RouteTable:
    """The routes of one API, as a tree of path segments."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Build the tree; of two routes with one key the first stands."""
        self._root = _Node()
        self._default: Route | None = None
        for route in routes:
            if route.key == _DEFAULT:
                self._default = self._default or route
            else:
                self._add(route)

    def match(self, method: str, path: str) -> Match | None:
        """The route for a request; `path` as it was sent, without its query."""
        segments = [unquote(segment) for segment in path.split("/")[1:]]
        values: list[str] = []
        found = _search(self._root, method, segments, 0, values)
        if found is not None:
            route, names = found
            return Match(route, dict(zip(names, values, strict=True)))
        return Match(self._default, {}) if self._default is not None else None

    def _add(self, route: Route) -> None:
        method, _, path = route.key.partition(" ")
        node, names = self._root, []
        for segment in path.split("/")[1:]:
            if segment.startswith("{") and segment.endswith("+}"):
                names.append(segment[1:-2])
                node.greedy.by_method.setdefault(method, (route, tuple(names)))
                return
            if segment.startswith("{") and segment.endswith("}"):
                names.append(segment[1:-1])
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.fixed.setdefault(unquote(segment), _Node())
        node.here.by_method.setdefault(method, (route, tuple(names)))


def _search(
    node: _Node, method: str, segments: list[str], index: int, values: list[str]
) -> tuple[Route, tuple[str, ...]] | None:
    """Depth first, most specific first; `values` holds the variables' values of what is found."""
    if index == len(segments):
        return node.here.find(method)
    segment = segments[index]
    child = node.fixed.get(segment)
    if child is not None:
        found = _search(child, method, segments, index + 1, values)
        if found is not None:
            return found
    if node.variable is not None and segment:
        values.append(segment)
        found = _search(node.variable, method, segments, index + 1, values)
        if found is not None:
            return found
        values.pop()
    found = node.greedy.find(method)
    rest = "/".join(segments[index:])
    if found is not None and rest:
        values.append(rest)
        return found
    return None

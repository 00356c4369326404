"""A template ready to be asked: its resources that exist, with Globals merged in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.template import assertions, catalogue, generated, parameters
from emulator.template.errors import TemplateError, locate
from emulator.template.identities import Identity, Place, identify, opaque_id
from emulator.template.intrinsics import Resolver, intrinsic_of
from emulator.template.model import PUBLISHED
from emulator.template.properties import Properties
from emulator.template.source import Map, read

IMPLICIT_API = "ServerlessHttpApi"


@dataclass(frozen=True)
class Resource:
    """One resource whose condition holds."""

    logical_id: str
    kind: str
    line: int
    properties: Properties
    identity: Identity


class Stack:
    """The template's resources, names and warnings."""

    def __init__(self, path: Path, given: Mapping[str, str], place: Place) -> None:
        self.path = path
        self.place = place
        self.warnings: list[str] = []
        self.errors: list[TemplateError] = []
        tree = self.tree = read(path)
        self._globals = self._section(tree, "Globals")
        self._raw = self._section(tree, "Resources")
        if not self._raw:
            raise TemplateError(path, tree.line, "it declares no Resources")
        generated.add_queues(self._raw)
        self._uses_sam = "AWS::Serverless-2016-10-31" in str(tree.get("Transform"))
        self._identities: dict[str, Identity] = {}
        self._naming: list[str] = []
        self._exists: dict[str, bool] = {}
        declared = self._section(tree, "Parameters")
        values = parameters.values(path, declared, given)
        self.secrets = parameters.secrets(declared, values)
        self.resolver = Resolver(
            path,
            references={**_pseudo_parameters(place), **values},
            mappings=self._section(tree, "Mappings"),
            conditions=self._section(tree, "Conditions"),
            ref=self.ref,
            attribute=self.attribute,
        )
        assertions.check(self._section(tree, "Rules"), self.resolver, self.warn)
        for name in self._raw:
            with self.leaving_out(name):
                self._exists[name] = self._check(name)

    @contextmanager
    def leaving_out(self, what: str) -> Iterator[None]:
        """Run what reads a part of the template; if it cannot be read, say so and go on."""
        try:
            yield
        except TemplateError as error:
            self.errors.append(error)
            self.warnings.append(f"{error}; {what} is left out")

    def warn(self, line: int | None, sentence: str) -> None:
        """Note something that the emulator leaves out."""
        self.warnings.append(locate(self.path, line, sentence))

    def of_kind(self, kind: str) -> Iterator[Resource]:
        """Yield the resources of one type."""
        for name, raw in self._raw.items():
            if self._exists.get(name) and raw["Type"] == kind:
                resource = None
                with self.leaving_out(name):
                    properties = self._properties(name)
                    identity = self._identity(name)
                    resource = Resource(name, kind, self._raw.line_of(name), properties, identity)
                if resource is not None:
                    self.warn_of_unknown(resource.properties, catalogue.PROPERTIES[kind])
                    yield resource

    def warn_of_unknown(self, properties: Properties, known: frozenset[str]) -> None:
        """Tell what nobody will read: a property that does not exist is a misspelt one."""
        for key, value in properties.raw.items():
            if key not in known:
                reason = f"{properties.where} has no property {key}; it is ignored"
                self.warn(properties.line(key), reason)
            elif key in catalogue.SECTIONS and isinstance(value, Map) and not intrinsic_of(value):
                section = Properties(value, self.resolver, f"{properties.where}: {key}")
                self.warn_of_unknown(section, catalogue.SECTIONS[key])

    def global_properties(self, kind: str) -> Properties:
        """Return a SAM type's Globals as the properties of a resource that has no other."""
        return Properties(self._global(kind), self.resolver, "Globals")

    def ref(self, name: str) -> str:
        """Return what `Ref` gives for a resource; KeyError if it does not exist."""
        if "." in name:
            return self.attribute(*name.split(".", 1))
        return self._identity(name).ref

    def attribute(self, name: str, attribute: str) -> str:
        """Return what Fn::GetAtt gives for a resource; KeyError if it does not exist."""
        identity = self._identity(name)
        if attribute in ("Alias", "Version") and self._raw[name]["Type"] == catalogue.FUNCTION:
            alias = self._properties(name).text("AutoPublishAlias")
            if alias is None:
                raise KeyError(name)  # SAM makes neither then
            return f"{identity.arn}:{alias if attribute == 'Alias' else PUBLISHED}"
        if attribute == "Stage":
            return "$default"
        return identity.attribute(attribute)

    def is_known(self, name: str) -> bool:
        """Return whether a resource is declared, by the template or by SAM itself."""
        if name in self._raw:
            return True
        try:
            self._implied_identity(name)
        except KeyError:
            return False
        return True

    def _identity(self, name: str) -> Identity:
        if name not in self._identities:
            self._identities[name] = self._make_identity(name)
        return self._identities[name]

    def _make_identity(self, name: str) -> Identity:
        if not self._exists.get(name, False):
            return self._implied_identity(name)
        if name in self._naming:
            raise TemplateError(
                self.path, self._raw.line_of(name), f"the name of {name} depends on itself"
            )
        self._naming.append(name)
        try:
            return identify(self._raw[name]["Type"], name, self._properties(name), self.place)
        finally:
            self._naming.pop()

    def _implied_identity(self, name: str) -> Identity:
        """Return the identity of a resource that SAM makes by itself."""
        nothing = Properties(Map(), self.resolver, name)
        if name == IMPLICIT_API and self._uses_sam:
            return identify(catalogue.HTTP_API, name, nothing, self.place)
        owner = name.removesuffix("Role")
        is_function = self._exists.get(owner) and self._raw[owner]["Type"] == catalogue.FUNCTION
        if owner != name and is_function:
            return identify("AWS::IAM::Role", name, nothing, self.place)
        raise KeyError(name)

    def _properties(self, name: str) -> Properties:
        raw = self._raw[name]
        kind = raw["Type"]
        own = raw.get("Properties") or Map(raw.line)
        if not isinstance(own, Map):
            raise TemplateError(
                self.path, raw.line_of("Properties"), f"{name}: Properties must be a mapping"
            )
        return Properties(merge(self._global(kind), own), self.resolver, f"{_short(kind)} {name}")

    def _global(self, kind: str) -> Map:
        for section, sam_kind in catalogue.GLOBALS.items():
            if sam_kind == kind:
                return self._section(self._globals, section)
        return Map()

    def _check(self, name: str) -> bool:
        """Return whether the resource exists; warn of a type that the emulator leaves out."""
        raw, line = self._raw[name], self._raw.line_of(name)
        if name.startswith("Fn::"):
            reason = f"{name.rpartition('::')[0]} is not emulated; write its resources out"
            raise TemplateError(self.path, line, reason)
        if not isinstance(raw, Map) or not isinstance(raw.get("Type"), str):
            raise TemplateError(self.path, line, f"the resource {name} needs a Type")
        kind: str = raw["Type"]
        if kind.startswith("AWS::Serverless::") and not self._uses_sam:
            reason = f"{kind} needs the line `Transform: AWS::Serverless-2016-10-31`"
            raise TemplateError(self.path, raw.line_of("Type"), reason)
        if "Condition" in raw:
            condition, where = raw["Condition"], raw.line_of("Condition")
            if not isinstance(condition, str):
                raise TemplateError(self.path, where, f"{name}: Condition must be a name in quotes")
            if not self.resolver.condition(condition, where):
                return False
        if kind not in catalogue.PROPERTIES and not catalogue.is_ignored(kind):
            self.warn(raw.line_of("Type"), f"{name}: the emulator does not run {kind}")
        return True

    def _section(self, tree: Map, key: str) -> Map:
        section = tree.get(key)
        if section is None:
            return Map(tree.line)
        if not isinstance(section, Map):
            raise TemplateError(self.path, tree.line_of(key), f"{key} must be a mapping")
        return section


def merge(base: Any, over: Any) -> Any:
    """Return SAM's merge of Globals with a resource: maps deep, lists joined, the rest replaced."""
    if isinstance(base, list) and isinstance(over, list):
        return [*base, *over]
    if not isinstance(base, Map) or not isinstance(over, Map):
        return over
    if intrinsic_of(base) or intrinsic_of(over):
        return over
    result = Map(over.line or base.line)
    for source in (base, over):
        for key, value in source.items():
            merged = merge(result[key], value) if key in result else value
            result.put(key, merged, source.line_of(key))
    return result


def _short(kind: str) -> str:
    return kind.rsplit("::", 1)[-1]


def _pseudo_parameters(place: Place) -> dict[str, Any]:
    stack = f"stack/{place.stack_name}/{opaque_id(place.stack_name, 32)}"
    return {
        "AWS::AccountId": place.account_id,
        "AWS::NotificationARNs": [],
        "AWS::Partition": "aws",
        "AWS::Region": place.region,
        "AWS::StackId": place.arn("cloudformation", stack),
        "AWS::StackName": place.stack_name,
        "AWS::URLSuffix": "amazonaws.com",
    }

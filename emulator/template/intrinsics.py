"""CloudFormation's intrinsic functions and conditions, evaluated lazily.

Only what is asked for is resolved, so that an exotic function in a resource that nothing needs
harms nobody. Source: AWS CloudFormation User Guide, "Intrinsic function reference".
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from emulator.template.errors import OnlyElsewhere, TemplateError
from emulator.template.source import Map, read


class _NoValue:
    """AWS::NoValue: the property or item that has it is as if it were not written."""


NO_VALUE = _NoValue()
_NO_VALUE_NAME = "AWS::NoValue"
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_MAX_CIDR_BLOCKS = 256
# Aliases of YAML make a small template large: "a billion laughs".
_MAX_VALUES = 250_000
_BEYOND = {
    "Fn::ImportValue": "needs another stack; pass the value as a parameter instead",
    "Fn::GetStackOutput": "needs another stack; pass the value as a parameter instead",
}
_CONDITION_FUNCTIONS = ("Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not", "Condition")


class Resolver:
    """Evaluates a template's values.

    `references` holds parameters and pseudo parameters; `ref` and `attribute` answer for resources
    and raise KeyError for what does not exist.
    """

    def __init__(
        self,
        path: Path,
        *,
        references: Mapping[str, Any],
        mappings: Map,
        conditions: Map,
        ref: Callable[[str], Any],
        attribute: Callable[[str, str], Any],
    ) -> None:
        self.path = path
        self._references = references
        self._mappings = mappings
        self._conditions = conditions
        self._ref = ref
        self._attribute = attribute
        self._open_conditions: list[str] = []
        self._values_left = _MAX_VALUES
        self._functions: Mapping[str, Callable[[Any, int], Any]] = {
            "Ref": self._fn_ref,
            "Fn::GetAtt": self._fn_get_att,
            "Fn::Sub": self._fn_sub,
            "Fn::Join": self._fn_join,
            "Fn::Select": self._fn_select,
            "Fn::Split": self._fn_split,
            "Fn::If": self._fn_if,
            "Fn::FindInMap": self._fn_find_in_map,
            "Fn::Base64": self._fn_base64,
            "Fn::ToJsonString": self._fn_to_json_string,
            "Fn::Cidr": self._fn_cidr,
            "Fn::GetAZs": self._fn_get_azs,
            "Fn::Length": self._fn_length,
            "Fn::Transform": self._fn_transform,
            **{name: self._refuse(name, reason) for name, reason in _BEYOND.items()},
            **dict.fromkeys(_CONDITION_FUNCTIONS[:-1], self._fn_condition),
        }

    def fail(self, line: int | None, reason: str) -> TemplateError:
        """Return the error to raise."""
        return TemplateError(self.path, line, reason)

    def resolve(self, value: Any, line: int = 0) -> Any:
        """Return the value with every intrinsic function in it evaluated."""
        self._values_left -= 1
        if self._values_left < 0:
            raise self.fail(line, f"the template has more than {_MAX_VALUES:,} values")
        if isinstance(value, Map):
            function = intrinsic_of(value)
            if function is not None:
                return self._call(function, value)
            result = Map(value.line)
            for key, item in value.items():
                resolved = self.resolve(item, value.line_of(key))
                if resolved is not NO_VALUE:
                    result.put(key, resolved, value.line_of(key))
            return result
        if isinstance(value, list):
            items = (self.resolve(item, line) for item in value)
            return [item for item in items if item is not NO_VALUE]
        return value

    def condition(self, name: str, line: int) -> bool:
        """Return whether the named condition holds."""
        if name not in self._conditions:
            raise self.fail(line, f"there is no condition named {name}")
        if name in self._open_conditions:
            raise self.fail(line, f"the condition {name} depends on itself")
        self._open_conditions.append(name)
        try:
            return self.truth(self._conditions[name], self._conditions.line_of(name))
        finally:
            self._open_conditions.pop()

    def unknown(self, function: str) -> str | None:
        """Return what is wrong with the name of an intrinsic function; None if nothing is."""
        if function in self._functions:
            return None
        known = "is not emulated; write its result out" if "ForEach" in function else "is unknown"
        return f"the intrinsic function {function} {known}"

    def has(self, name: str) -> bool:
        """Return whether a name is a parameter's or a pseudo parameter's."""
        return name == _NO_VALUE_NAME or name in self._references

    def _call(self, name: str, value: Map) -> Any:
        line = value.line_of(name)
        function = self._functions.get(name)
        if function is None:
            raise self.fail(line, str(self.unknown(name)))
        return function(value if name in _CONDITION_FUNCTIONS else value[name], line)

    def truth(self, value: Any, line: int) -> bool:
        """Return whether a condition's expression holds."""
        if isinstance(value, bool):
            return value
        if isinstance(value, Map) and len(value) == 1:
            ((name, operands),) = value.items()
            line = value.line_of(name)
            if name == "Condition":
                return self.condition(str(operands), line)
            operands = self._list(operands, name, line)
            if name == "Fn::Equals" and len(operands) == 2:
                left, right = (_comparable(self.resolve(item, line)) for item in operands)
                return bool(left == right)
            if name == "Fn::Not" and len(operands) == 1:
                return not self.truth(operands[0], line)
            if name in ("Fn::And", "Fn::Or") and 2 <= len(operands) <= 10:
                every = all if name == "Fn::And" else any
                return every(self.truth(item, line) for item in operands)
        resolved = self.resolve(value, line)
        if resolved in ("true", "false"):
            return bool(resolved == "true")
        raise self.fail(line, "a condition is Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition")

    def _fn_condition(self, value: Any, line: int) -> bool:
        return self.truth(value, line)

    def _fn_ref(self, value: Any, line: int) -> Any:
        name = self._text(value, "Ref", line)
        if name == _NO_VALUE_NAME:
            return NO_VALUE
        if name in self._references:
            return self._references[name]
        try:
            return self._ref(name)
        except KeyError:
            raise self.fail(line, no_reference(name)) from None

    def _fn_get_att(self, value: Any, line: int) -> Any:
        parts = value.split(".", 1) if isinstance(value, str) else self.resolve(value, line)
        if not isinstance(parts, list) or len(parts) < 2:
            raise self.fail(line, "Fn::GetAtt takes a resource's name and an attribute's name")
        name, attribute = str(parts[0]), ".".join(str(part) for part in parts[1:])
        try:
            return self._attribute(name, attribute)
        except KeyError:
            raise self.fail(line, no_attribute(name, attribute)) from None

    def _fn_sub(self, value: Any, line: int) -> str:
        variables: Mapping[str, Any] = {}
        if isinstance(value, list):
            if len(value) != 2 or not isinstance(value[1], Map):
                raise self.fail(line, "Fn::Sub takes a text, or a text and a mapping")
            value, variables = value[0], self.resolve(value[1], line)
        text = self._text(value, "Fn::Sub", line)

        def replace(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in variables:
                return as_text(variables[name])
            if "." in name and name not in self._references:
                return as_text(self._fn_get_att(name, line))
            return as_text(self._fn_ref(name, line))

        return _PLACEHOLDER.sub(replace, text)

    def _fn_join(self, value: Any, line: int) -> str:
        parts = self._list(self.resolve(value, line), "Fn::Join", line)
        if len(parts) != 2 or not isinstance(parts[1], list):
            raise self.fail(line, "Fn::Join takes a delimiter and a list")
        return as_text(parts[0]).join(as_text(item) for item in parts[1])

    def _fn_select(self, value: Any, line: int) -> Any:
        parts = self._list(self.resolve(value, line), "Fn::Select", line)
        if len(parts) != 2 or not isinstance(parts[1], list) or not str(parts[0]).isdigit():
            raise self.fail(line, "Fn::Select takes an index and a list")
        index, items = int(parts[0]), parts[1]
        if index >= len(items):
            raise self.fail(line, f"Fn::Select asks for item {index} of {len(items)}")
        return items[index]

    def _fn_split(self, value: Any, line: int) -> list[str]:
        parts = self._list(self.resolve(value, line), "Fn::Split", line)
        if len(parts) != 2 or not parts[0] or not isinstance(parts[0], str):
            raise self.fail(line, "Fn::Split takes a delimiter and a text")
        return as_text(parts[1]).split(parts[0])

    def _fn_if(self, value: Any, line: int) -> Any:
        parts = self._list(value, "Fn::If", line)
        if len(parts) != 3:
            raise self.fail(line, "Fn::If takes a condition's name and two values")
        return self.resolve(parts[1 if self.condition(str(parts[0]), line) else 2], line)

    def _fn_find_in_map(self, value: Any, line: int) -> Any:
        parts = self._list(self.resolve(value, line), "Fn::FindInMap", line)
        if len(parts) not in (3, 4):
            raise self.fail(line, "Fn::FindInMap takes a map's name and two keys")
        found: Any = self._mappings
        for key in parts[:3]:
            if not isinstance(found, Map) or str(key) not in found:
                if len(parts) == 4 and isinstance(parts[3], Map) and "DefaultValue" in parts[3]:
                    return parts[3]["DefaultValue"]
                raise self.fail(line, f"Fn::FindInMap finds no {' / '.join(map(str, parts[:3]))}")
            found = found[str(key)]
        return found

    def _fn_base64(self, value: Any, line: int) -> str:
        return base64.b64encode(as_text(self.resolve(value, line)).encode()).decode()

    def _fn_to_json_string(self, value: Any, line: int) -> str:
        return json.dumps(self.resolve(value, line), separators=(",", ":"))

    def _fn_cidr(self, value: Any, line: int) -> list[str]:
        parts = self._list(self.resolve(value, line), "Fn::Cidr", line)
        try:
            network = ipaddress.ip_network(as_text(parts[0]), strict=False)
            count = int(parts[1])
            host_bits = int(parts[2]) if len(parts) > 2 else 8
            subnets = network.subnets(new_prefix=network.max_prefixlen - host_bits)
            blocks = [str(subnet) for subnet in itertools.islice(subnets, count)]
        except (IndexError, TypeError, ValueError) as error:
            raise self.fail(line, f"Fn::Cidr takes a block, a count and bits: {error}") from None
        if len(blocks) < count or not 1 <= count <= _MAX_CIDR_BLOCKS:
            raise self.fail(line, f"Fn::Cidr cannot make {count} blocks of {network}")
        return blocks

    def _fn_get_azs(self, value: Any, line: int) -> list[str]:
        region = as_text(self.resolve(value, line)) or str(self._references["AWS::Region"])
        return [region + zone for zone in "abc"]

    def _fn_length(self, value: Any, line: int) -> int:
        return len(self._list(self.resolve(value, line), "Fn::Length", line))

    def _fn_transform(self, value: Any, line: int) -> Any:
        """Return what AWS::Include takes in from a file beside the template."""
        macro = self.resolve(value, line)
        parameters = macro.get("Parameters") if isinstance(macro, Map) else None
        location = parameters.get("Location") if isinstance(parameters, Map) else None
        if not isinstance(location, str) or macro.get("Name") != "AWS::Include":
            reason = "Fn::Transform needs a macro that runs on AWS; write its result here instead"
            raise self.fail(line, reason)
        if location.startswith("s3://"):
            raise self.fail(line, f"AWS::Include: {location} is not a file beside the template")
        return self.resolve(read(self.path.parent / location), line)

    def _refuse(self, name: str, reason: str) -> Callable[[Any, int], Any]:
        def refuse(_value: Any, line: int) -> Any:
            raise OnlyElsewhere(self.path, line, f"{name} {reason}")

        return refuse

    def _text(self, value: Any, function: str, line: int) -> str:
        if not isinstance(value, str):
            raise self.fail(line, f"{function} takes a text")
        return value

    def _list(self, value: Any, function: str, line: int) -> list[Any]:
        if not isinstance(value, list):
            raise self.fail(line, f"{function} takes a list")
        return value


def intrinsic_of(value: Map) -> str | None:
    """Return the name of the intrinsic function that the mapping calls, if it calls one."""
    if len(value) != 1:
        return None
    (name,) = value
    return name if name == "Ref" or name.startswith("Fn::") else None


def no_reference(name: str) -> str:
    """Return what is wrong with a Ref that leads nowhere."""
    return f"Ref names {name}, which is neither a parameter nor a resource here"


def no_attribute(name: str, attribute: str) -> str:
    """Return what is wrong with a Fn::GetAtt that leads nowhere."""
    return f"Fn::GetAtt asks for {name}.{attribute}, which does not exist here"


def placeholders(text: str) -> list[str]:
    """Return the names that Fn::Sub fills in."""
    names = [match[1].strip() for match in _PLACEHOLDER.finditer(text)]
    return [name for name in names if not name.startswith("!")]


def as_text(value: Any) -> str:
    """Return a scalar as CloudFormation writes it into a text; lists are joined by commas."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(as_text(item) for item in value)
    if value is None or value is NO_VALUE:
        return ""
    return str(value)


def _comparable(value: Any) -> Any:
    return value if isinstance(value, (list, dict)) else as_text(value)

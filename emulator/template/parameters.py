"""A template's parameters: their defaults, what was passed in, and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.template.errors import TemplateError
from emulator.template.intrinsics import as_text
from emulator.template.source import Map


def values(path: Path, declared: Map, given: Mapping[str, str]) -> dict[str, Any]:
    """Return each parameter's value; raise TemplateError for one missing, unknown or refused."""
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise TemplateError(path, None, f"it has no parameter named {', '.join(unknown)}")
    return {
        name: _value(path, name, declared[name], declared.line_of(name), given.get(name))
        for name in declared
    }


def secrets(declared: Map, values: Mapping[str, Any]) -> frozenset[str]:
    """Return the values of parameters declared with NoEcho: they are not to be shown."""
    return frozenset(
        as_text(values[name])
        for name, declaration in declared.items()
        if _is_secret(declaration) and values[name]
    )


def _is_secret(declaration: Map) -> bool:
    return as_text(declaration.get("NoEcho")) == "true"


def _value(path: Path, name: str, declaration: Any, line: int, given: str | None) -> Any:
    if not isinstance(declaration, Map):
        raise TemplateError(path, line, f"the parameter {name} must be a mapping with a Type")
    raw = given if given is not None else declaration.get("Default")
    if raw is None:
        how = f"pass a value, as with --param {name}=…"
        raise TemplateError(path, line, f"the parameter {name} has no default: {how}")
    kind = str(declaration.get("Type"))
    if _KIND.fullmatch(kind) is None:
        raise TemplateError(path, line, f"the parameter {name}: there is no Type {kind}")
    if isinstance(raw, (Map, list)):
        raise TemplateError(path, line, f"the parameter {name}: its Default must be a text")
    text = as_text(raw)
    is_list = kind.startswith("List<") or kind == "CommaDelimitedList"
    for item in text.split(",") if is_list else [text]:
        try:
            problem = _problem(kind, item.strip() if is_list else item, declaration)
        except (TypeError, ValueError, re.error) as error:
            reason = f"the parameter {name}: its constraints are not valid: {error}"
            raise TemplateError(path, line, reason) from None
        if problem:
            shown = "its value" if _is_secret(declaration) else repr(text)
            raise TemplateError(path, line, f"the parameter {name}: {shown} {problem}")
    if is_list:
        return [item.strip() for item in text.split(",")] if text else []
    if kind.startswith("AWS::SSM::Parameter::Value") and given is None:
        # There is no parameter store here; whoever passes a value means the value itself.
        return f"{{{{resolve:ssm:{text}}}}}"
    return text


# AWS's own types are checked by AWS alone; here they are texts.
_KIND = re.compile(
    r"String|Number|CommaDelimitedList|List<(?:String|Number|AWS::\w+::\w+(?:::\w+)?)>"
    r"|AWS::\w+::\w+(?:::\w+)?|AWS::SSM::Parameter::Value<.+>"
)


def _problem(kind: str, text: str, rules: Map) -> str | None:
    allowed = rules.get("AllowedValues")
    if isinstance(allowed, list) and text not in [as_text(item) for item in allowed]:
        return f"is not one of {', '.join(as_text(item) for item in allowed)}"
    pattern = rules.get("AllowedPattern")
    if isinstance(pattern, str) and re.fullmatch(pattern, text) is None:
        return str(rules.get("ConstraintDescription") or f"does not match {pattern}")
    if not int(rules.get("MinLength", 0)) <= len(text) <= int(rules.get("MaxLength", 4096)):
        return "is too short or too long"
    if kind in ("Number", "List<Number>"):
        try:
            number = float(text)
        except ValueError:
            return "is not a number"
        if (
            not float(rules.get("MinValue", "-inf"))
            <= number
            <= float(rules.get("MaxValue", "inf"))
        ):
            return "is too small or too large"
    return None

"""A template's Rules: what must hold of its parameters together.

Source: AWS CloudFormation User Guide, "Rules" and "Rule-specific intrinsic functions".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.template.intrinsics import Resolver, as_text
from emulator.template.source import Map


def check(rules: Map, resolver: Resolver, warn: Callable[[int | None, str], None]) -> None:
    """Raise TemplateError for the first assertion that fails; warn of what AWS alone could tell."""
    for name, rule in rules.items():
        line = rules.line_of(name)
        if not isinstance(rule, Map) or not isinstance(rule.get("Assertions"), list):
            raise resolver.fail(line, f"the rule {name} must be a mapping with a list Assertions")
        try:
            if "RuleCondition" in rule and not _holds(rule["RuleCondition"], resolver, line):
                continue
            for assertion in rule["Assertions"]:
                if not isinstance(assertion, Map) or "Assert" not in assertion:
                    raise resolver.fail(line, f"the rule {name}: an assertion needs Assert")
                if not _holds(assertion["Assert"], resolver, assertion.line):
                    reason = as_text(assertion.get("AssertDescription")) or "its assertion fails"
                    raise resolver.fail(assertion.line, f"the rule {name}: {reason}")
        except _OnlyAws as only_aws:
            warn(line, f"the rule {name} is not checked: only AWS knows {only_aws}")


class _OnlyAws(Exception):
    """A function whose answer is in an AWS account."""


def _holds(value: Any, resolver: Resolver, line: int) -> bool:
    if isinstance(value, Map) and len(value) == 1:
        ((name, operands),) = value.items()
        line = value.line_of(name)
        if isinstance(operands, list):
            if name == "Fn::And":
                return all(_holds(item, resolver, line) for item in operands)
            if name == "Fn::Or":
                return any(_holds(item, resolver, line) for item in operands)
            if name == "Fn::Not" and len(operands) == 1:
                return not _holds(operands[0], resolver, line)
            if name in _MEMBERS and len(operands) == 2:
                first, second = (_texts(item, resolver, line) for item in operands)
                return _MEMBERS[name](first, second)
        _refuse_lookups(operands)
    return resolver.truth(value, line)


_MEMBERS: dict[str, Callable[[list[str], list[str]], bool]] = {
    "Fn::Contains": lambda items, value: value[0] in items if value else False,
    "Fn::EachMemberEquals": lambda items, value: all([item] == value for item in items),
    "Fn::EachMemberIn": lambda items, allowed: set(items) <= set(allowed),
}


def _texts(value: Any, resolver: Resolver, line: int) -> list[str]:
    _refuse_lookups(value)
    resolved = resolver.resolve(value, line)
    items = resolved if isinstance(resolved, list) else [resolved]
    return [as_text(item) for item in items]


def _refuse_lookups(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _refuse_lookups(item)
    elif isinstance(value, Map):
        for name, item in value.items():
            if name in ("Fn::RefAll", "Fn::ValueOf", "Fn::ValueOfAll"):
                raise _OnlyAws(name)
            _refuse_lookups(item)

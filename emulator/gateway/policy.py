"""IAM policies as Lambda authorizers return them: may this route be invoked?

Source: IAM user guide, "Policy evaluation logic" and "IAM JSON policy elements: Resource".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_ACTION = "execute-api:invoke"


class PolicyError(ValueError):
    """The document is no policy that a Lambda authorizer may return."""


@dataclass(frozen=True)
class _Statement:
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    is_conditional: bool

    def covers(self, arn: str) -> bool:
        """Whether it speaks of invoking this route.

        Conditions are not evaluated: a conditional Deny denies, a conditional Allow allows nothing.
        """
        if self.is_conditional and self.allows:
            return False
        return any(_pattern(action.lower()).fullmatch(_ACTION) for action in self.actions) and any(
            _pattern(resource).fullmatch(arn) for resource in self.resources
        )


class Policy:
    """A policy document; raises PolicyError for what is none."""

    def __init__(self, document: object) -> None:
        if not isinstance(document, Mapping):
            raise PolicyError("policyDocument must be an object")
        statements = document.get("Statement")
        if isinstance(statements, Mapping):
            statements = [statements]
        if not isinstance(statements, list) or not statements:
            raise PolicyError("policyDocument needs a list Statement")
        self._statements = [_statement(item) for item in statements]

    def allows(self, arn: str) -> bool:
        """Whether the route may be invoked: some statement allows it and none denies it."""
        covering = [statement for statement in self._statements if statement.covers(arn)]
        return bool(covering) and all(statement.allows for statement in covering)


def _statement(item: Any) -> _Statement:
    if not isinstance(item, Mapping):
        raise PolicyError("a Statement must be an object")
    effect = item.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise PolicyError("Effect must be Allow or Deny")
    return _Statement(
        effect == "Allow",
        _texts(item, "Action"),
        _texts(item, "Resource"),
        bool(item.get("Condition")),
    )


def _texts(item: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = item.get(key)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise PolicyError(f"{key} must be a text or a list of texts")
    return tuple(texts)


@lru_cache(maxsize=1_024)
def _pattern(text: str) -> re.Pattern[str]:
    escaped = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)

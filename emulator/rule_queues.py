"""Queues that stand between a rule and the functions it feeds.

The endpoint runs no functions, and it can deliver to queues: a rule with an event pattern gets a
queue of its own for each function among its targets, which the emulator receives from.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace

from emulator.targets import function_reference
from emulator.template.model import Application, Queue, Rule, Target

PREFIX = "emulator-rule-"
_MAX_NAME = 80
_RETENTION_S = 86_400 + 3_600
"""A little longer than EventBridge tries to deliver an event."""
_VISIBILITY_S = 30


@dataclass(frozen=True)
class RuleQueue:
    """The queue of one function that one rule feeds; `target` is the function, as declared."""

    queue: Queue
    rule_arn: str
    target: Target

    @property
    def function(self) -> str:
        """The function's name, with a qualifier if the rule names one."""
        return function_reference(self.target.arn)


def rule_queues(app: Application) -> tuple[RuleQueue, ...]:
    """Return one for each function that a rule with an event pattern feeds."""
    found = (_rule_queue(rule, target, app) for rule in app.rules for target in rule.targets)
    return tuple(queue for queue in found if queue is not None)


def with_rule_queues(app: Application) -> Application:
    """Return the application as the endpoint can hold it: such rules feed their queues."""

    def reachable(rule: Rule, target: Target) -> Target:
        found = _rule_queue(rule, target, app)
        return replace(target, arn=found.queue.arn) if found else target

    return replace(
        app,
        queues=(*app.queues, *(found.queue for found in rule_queues(app))),
        rules=tuple(
            replace(rule, targets=tuple(reachable(rule, target) for target in rule.targets))
            for rule in app.rules
        ),
    )


def _rule_queue(rule: Rule, target: Target, app: Application) -> RuleQueue | None:
    if rule.pattern is None or target.arn.split(":")[2:3] != ["lambda"]:
        return None
    path = rule.name if rule.bus_name == "default" else f"{rule.bus_name}/{rule.name}"
    arn = f"arn:aws:events:{app.region}:{app.account_id}:rule/{path}"
    return RuleQueue(_queue(arn, rule.targets.index(target), app), arn, target)


def _queue(rule_arn: str, number: int, app: Application) -> Queue:
    readable = re.sub(r"[^A-Za-z0-9_-]", "-", rule_arn.partition(":rule/")[2])
    mark = hashlib.sha256(f"{rule_arn}#{number}".encode()).hexdigest()[:8]
    name = f"{PREFIX}{readable}"[: _MAX_NAME - len(mark) - 1] + f"-{mark}"
    arn = f"arn:aws:sqs:{app.region}:{app.account_id}:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    attributes = {
        "VisibilityTimeout": str(_VISIBILITY_S),
        "MessageRetentionPeriod": str(_RETENTION_S),
        "Policy": json.dumps(policy, separators=(",", ":")),
    }
    return Queue(name, name, arn, attributes)

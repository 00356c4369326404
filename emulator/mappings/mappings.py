"""All of an application's consumers of queues, started and stopped together."""

from __future__ import annotations

import asyncio
import logging

from emulator.aws import Aws
from emulator.endpoint import Endpoint
from emulator.invocations import Invoker
from emulator.mappings.concurrency import Concurrency
from emulator.mappings.functions import FunctionConsumer
from emulator.mappings.poller import Batching, Poller
from emulator.mappings.rule_consumer import RuleConsumer
from emulator.mappings.source import Source
from emulator.rule_queues import RuleQueue, rule_queues
from emulator.template.model import Application, QueueMapping

_LOG = logging.getLogger(__name__)

MAX_CONCURRENCY = 10
"""Invocations at once of a mapping that sets no MaximumConcurrency."""

_DEFAULT_VISIBILITY_S = 30
_DRAIN_S = 5.0


class Mappings:
    """Running event source mappings, and the rules that feed functions."""

    def __init__(self, app: Application, invoker: Invoker, aws: Aws) -> None:
        endpoint = Endpoint(app, aws)
        self._pollers = [
            _of_mapping(item, endpoint, invoker) for item in app.mappings if item.enabled
        ]
        self._pollers += [_of_rule(item, endpoint, invoker) for item in rule_queues(app)]

    async def stop(self) -> None:
        """Receive no more; give the batches under way a few seconds, and leave the rest queued."""
        await asyncio.gather(*(poller.stop(_DRAIN_S) for poller in self._pollers))


def start(app: Application, invoker: Invoker, aws: Aws) -> Mappings:
    """Start every enabled mapping of the template, in the running event loop."""
    warn_of_visibility(app)
    return Mappings(app, invoker, aws)


def warn_of_visibility(app: Application) -> None:
    """Tell, in Lambda's words, which queues AWS would refuse to map."""
    for mapping in app.mappings:
        visibility_s, timeout_s = _visibility_s(mapping, app), _timeout_s(mapping, app)
        if visibility_s < timeout_s:
            _LOG.warning(
                "%s: AWS would refuse its mapping: Queue visibility timeout: %d seconds is less"
                " than Function timeout: %d seconds",
                mapping.queue_name,
                visibility_s,
                timeout_s,
            )


def _of_mapping(mapping: QueueMapping, endpoint: Endpoint, invoker: Invoker) -> Poller:
    app = endpoint.app
    source = Source(mapping.queue_name, endpoint)
    concurrency = Concurrency(_ceiling(mapping, app))
    patience_s = _patience_s(mapping, app)
    consumer = FunctionConsumer(
        mapping, source, invoker, concurrency, region=app.region, patience_s=patience_s
    )
    window_s = min(mapping.maximum_batching_window_s, patience_s)
    if window_s < mapping.maximum_batching_window_s:
        _LOG.warning(
            "%s: its batching window is cut to %g s, as its messages would be visible again",
            mapping.queue_name,
            window_s,
        )
    is_fifo = mapping.queue_name.endswith(".fifo")
    batching = Batching(mapping.batch_size, window_s, in_order=is_fifo)
    return Poller(source, consumer.handle, batching, concurrency)


def _of_rule(rule_queue: RuleQueue, endpoint: Endpoint, invoker: Invoker) -> Poller:
    source = Source(rule_queue.queue.name, endpoint)
    consumer = RuleConsumer(rule_queue, source, endpoint.aws, invoker)
    return Poller(source, consumer.handle, Batching(10), Concurrency(MAX_CONCURRENCY))


def _ceiling(mapping: QueueMapping, app: Application) -> int:
    """Return how many invocations may run at once; more than the function has would only throttle.

    A throttled batch uses up receives, which would bring healthy messages to the dead-letter queue.
    """
    allowed = mapping.maximum_concurrency or MAX_CONCURRENCY
    function = app.functions.get(mapping.function)
    reserved = function.reserved_concurrency if function else None
    return min(allowed, reserved) if reserved else allowed


def _patience_s(mapping: QueueMapping, app: Application) -> float:
    """Return how long a message may wait here before its function gets it.

    Lambda tries until the visibility timeout is over. Ending earlier, by what the function may
    take, keeps a message from being with two invocations at once. A queue whose timeout is below
    its function's, which AWS would refuse to map, leaves half of it.
    """
    visibility_s = _visibility_s(mapping, app)
    return max(visibility_s / 2, visibility_s - _timeout_s(mapping, app))


def _visibility_s(mapping: QueueMapping, app: Application) -> int:
    """Return the queue's visibility timeout; of a queue elsewhere, SQS's default."""
    for queue in app.queues:
        if queue.arn == mapping.queue_arn:
            return int(queue.attributes.get("VisibilityTimeout", _DEFAULT_VISIBILITY_S))
    return _DEFAULT_VISIBILITY_S


def _timeout_s(mapping: QueueMapping, app: Application) -> int:
    function = app.functions.get(mapping.function)
    return function.timeout_s if function else 0

"""Queues as operators see them, on the running system, another endpoint, or AWS."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cli import queue_inside
from cli.aws import Place, client, error_code, told
from cli.errors import Failure

_PARALLEL = 8
_OWN_PREFIX = "emulator-rule-"
_METRICS_PER_CALL = 500


@dataclass(frozen=True)
class Ref:
    """A queue by its name, with its URL."""

    name: str
    url: str


@dataclass(frozen=True)
class Queue:
    """A queue's state; counts are approximate on AWS. `oldest_s` is None if nobody tells it."""

    name: str
    arn: str
    visible: int
    in_flight: int
    delayed: int
    oldest_s: int | None = None
    dead_letter_queue: str | None = None
    max_receives: int | None = None
    dead_letters_of: list[str] = field(default_factory=list)

    @property
    def depth(self) -> int:
        """How many messages it holds."""
        return self.visible + self.in_flight + self.delayed


class Queues:
    """All queues of one place. Failure for whatever its endpoint refuses."""

    def __init__(self, where: Place) -> None:
        self.where = where
        self.sqs = client("sqs", where)
        self._refs: list[Ref] | None = None

    def refs(self) -> list[Ref]:
        """Every queue there is, by name."""
        if self._refs is None:
            with told():
                pages = self.sqs.get_paginator("list_queues").paginate(
                    PaginationConfig={"PageSize": 1_000}
                )
                urls = [url for page in pages for url in page.get("QueueUrls", [])]
            self._refs = sorted(
                (Ref(url.rpartition("/")[2], url) for url in urls), key=lambda ref: ref.name
            )
        return self._refs

    def find(self, given: str) -> Ref:
        """The queue of a name, a URL or an ARN; the beginning of a name may be left out."""
        name = given.rstrip("/").rpartition("/")[2].rpartition(":")[2]
        refs = self.refs()
        for ref in refs:
            if ref.name == name:
                return ref
        ending = [ref for ref in refs if ref.name.endswith(name)]
        if len(ending) == 1:
            return ending[0]
        if ending:
            names = ", ".join(ref.name for ref in ending)
            raise Failure(f"{given} could be any of {names}: give the whole name.")
        if not refs:
            raise Failure(f"There is no queue {given}, and no other one.")
        near = difflib.get_close_matches(name, [ref.name for ref in refs], cutoff=0.5)
        inside = [ref.name for ref in refs if name in ref.name and ref.name not in near]
        meant = [*near, *inside][:5]
        hint = f"did you mean {' or '.join(meant)}?" if meant else "see `paywright queue list`."
        raise Failure(f"There is no queue {given}: {hint}")

    def overview(self, *, every: bool) -> list[Queue]:
        """Every queue's state; the emulator's own queues only if wanted."""
        found = [
            queue for queue in self.states() if every or not queue.name.startswith(_OWN_PREFIX)
        ]
        ages = self._ages(found)
        return [replace(queue, oldest_s=ages.get(queue.arn)) for queue in found]

    def states(self) -> list[Queue]:
        """Every queue's state, but for its age."""
        with ThreadPoolExecutor(_PARALLEL) as pool:
            found = [queue for queue in pool.map(self._describe, self.refs()) if queue]
        sources: dict[str | None, list[str]] = {}
        for queue in found:
            sources.setdefault(queue.dead_letter_queue, []).append(queue.name)
        return [replace(queue, dead_letters_of=sources.get(queue.name, [])) for queue in found]

    def describe(self, ref: Ref) -> Queue:
        """One queue's state, but for its age and whose dead letters it takes."""
        with told():
            answer = self.sqs.get_queue_attributes(QueueUrl=ref.url, AttributeNames=["All"])
        attributes = answer["Attributes"]
        policy = json.loads(attributes.get("RedrivePolicy") or "{}")
        count = "ApproximateNumberOfMessages"
        return Queue(
            name=ref.name,
            arn=attributes["QueueArn"],
            visible=int(attributes[count]),
            in_flight=int(attributes[f"{count}NotVisible"]),
            delayed=int(attributes[f"{count}Delayed"]),
            dead_letter_queue=policy.get("deadLetterTargetArn", "").rpartition(":")[2] or None,
            max_receives=int(policy["maxReceiveCount"]) if policy else None,
        )

    def _describe(self, ref: Ref) -> Queue | None:
        """One queue's state; None if it has been deleted since it was listed."""
        try:
            return self.describe(ref)
        except Failure as failure:
            if error_code(failure) == "AWS.SimpleQueueService.NonExistentQueue":
                return None
            raise

    def purge(self, ref: Ref) -> None:
        """Delete every message."""
        with told():
            self.sqs.purge_queue(QueueUrl=ref.url)

    def _ages(self, found: list[Queue]) -> Mapping[str, int]:
        """How old each queue's oldest message is, in seconds, as far as the place tells."""
        if self.where is None:
            return _ages_of_cloudwatch(found)
        return queue_inside.ages(self.sqs)


def _ages_of_cloudwatch(found: list[Queue]) -> Mapping[str, int]:
    """CloudWatch's latest figures; a queue that was idle for long has none."""
    ages: dict[str, int] = {}
    now = datetime.fromtimestamp(time.time(), UTC)
    cloudwatch = client("cloudwatch", None)
    for start in range(0, len(found), _METRICS_PER_CALL):
        part = found[start : start + _METRICS_PER_CALL]
        queries = [_age_query(number, queue.name) for number, queue in enumerate(part)]
        try:
            with told():
                answer: Any = cloudwatch.get_metric_data(
                    MetricDataQueries=queries, StartTime=now - timedelta(minutes=10), EndTime=now
                )
        except Failure:
            return ages  # who may see queues need not be allowed to see metrics
        for result in answer["MetricDataResults"]:
            if result["Values"]:
                ages[part[int(result["Id"][1:])].arn] = int(result["Values"][0])
    return ages


def _age_query(number: int, name: str) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": name}],
    }
    return {
        "Id": f"q{number}",
        "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"},
    }

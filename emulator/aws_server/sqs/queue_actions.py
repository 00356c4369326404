"""The API's actions on queues themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emulator.aws_server.sqs import attributes
from emulator.aws_server.sqs.actions import Parameters, Result, whole
from emulator.aws_server.sqs.errors import SqsError, invalid_value, missing
from emulator.aws_server.sqs.queue import Queue, QueueKey
from emulator.aws_server.sqs.store import Store

_MAX_RESULTS = 1_000
_MAX_TAGS = 50


@dataclass(frozen=True)
class Caller:
    """Who asks: the account and region of the credentials, and the endpoint's URL as asked."""

    account: str
    region: str
    base_url: str

    def url_of(self, queue: Queue) -> str:
        """Return a queue's URL."""
        return f"{self.base_url}/{queue.key.account}/{queue.key.name}"

    def key_of(self, url: str) -> QueueKey:
        """Return the key of a queue's URL, or of its bare name."""
        account, _, name = url.rstrip("/").rpartition("/")
        account = account.rpartition("/")[2]
        is_account = len(account) == 12 and account.isdecimal()
        return QueueKey(account if is_account else self.account, self.region, name)


def create_queue(store: Store, caller: Caller, parameters: Parameters) -> Result:
    """CreateQueue: the queue that is there already, if its attributes are as asked."""
    name = parameters.get("QueueName")
    if not name:
        raise missing("QueueName")
    key = QueueKey(caller.account, caller.region, name)
    given = parameters.get("Attributes") or {}
    queue = store.queues.get(key)
    if queue is None:
        initial = attributes.initial(key, given, store, store.now())
        queue = store.create(key, attributes.merged(initial, {}, store.now()), _tags(parameters))
    else:
        other = attributes.different(queue.attributes, attributes.checked(key, given, store))
        if other is not None:
            raise SqsError(
                "QueueNameExists",
                "A queue already exists with the same name and a different value for attribute"
                f" {other}",
            )
    return {"QueueUrl": caller.url_of(queue)}


def get_queue_url(store: Store, caller: Caller, parameters: Parameters) -> Result:
    """GetQueueUrl."""
    owner = parameters.get("QueueOwnerAWSAccountId") or caller.account
    queue = store.queue(QueueKey(owner, caller.region, parameters.get("QueueName", "")))
    return {"QueueUrl": caller.url_of(queue)}


def list_queues(store: Store, caller: Caller, parameters: Parameters) -> Result:
    """ListQueues."""
    prefix = parameters.get("QueueNamePrefix") or ""
    urls = [
        caller.url_of(queue)
        for key, queue in store.queues.items()
        if key[:2] == (caller.account, caller.region) and key.name.startswith(prefix)
    ]
    return _page("QueueUrls", sorted(urls), parameters)


def list_dead_letter_source_queues(store: Store, caller: Caller, parameters: Parameters) -> Result:
    """ListDeadLetterSourceQueues."""
    queue = store.queue(caller.key_of(parameters.get("QueueUrl", "")))
    urls = sorted(caller.url_of(source) for source in store.sources_of(queue))
    return {"queueUrls": []} | _page("queueUrls", urls, parameters)


def delete_queue(store: Store, queue: Queue, _parameters: Parameters) -> Result:
    """DeleteQueue."""
    store.delete_queue(queue)
    return {}


def get_queue_attributes(_store: Store, queue: Queue, parameters: Parameters) -> Result:
    """GetQueueAttributes."""
    told = attributes.told(queue, frozenset(parameters.get("AttributeNames") or ()))
    return {"Attributes": told} if told else {}


def set_queue_attributes(store: Store, queue: Queue, parameters: Parameters) -> Result:
    """SetQueueAttributes."""
    changes = attributes.checked(queue.key, parameters.get("Attributes") or {}, store)
    store.change(queue, attributes.merged(queue.attributes, changes, store.now()), queue.tags)
    return {}


def list_queue_tags(_store: Store, queue: Queue, _parameters: Parameters) -> Result:
    """ListQueueTags."""
    return {"Tags": dict(queue.tags)} if queue.tags else {}


def tag_queue(store: Store, queue: Queue, parameters: Parameters) -> Result:
    """TagQueue."""
    tags = {**queue.tags, **_tags(parameters)}
    if len(tags) > _MAX_TAGS:
        raise invalid_value(len(tags), "Tags", f"A queue has at most {_MAX_TAGS} tags.")
    store.change(queue, queue.attributes, tags)
    return {}


def untag_queue(store: Store, queue: Queue, parameters: Parameters) -> Result:
    """UntagQueue."""
    gone = set(parameters.get("TagKeys") or ())
    tags = {name: value for name, value in queue.tags.items() if name not in gone}
    store.change(queue, queue.attributes, tags)
    return {}


def add_permission(store: Store, queue: Queue, parameters: Parameters) -> Result:
    """AddPermission: keeps the statement; nothing here is refused for lack of permission."""
    label = parameters.get("Label", "")
    policy = _policy(queue)
    if any(statement.get("Sid") == label for statement in policy["Statement"]):
        raise invalid_value(label, "Label", "Already exists.")
    accounts = [f"arn:aws:iam::{name}:root" for name in parameters.get("AWSAccountIds") or ()]
    actions = [f"SQS:{name}" for name in parameters.get("Actions") or ()]
    if not accounts or not actions:
        raise missing("Actions" if accounts else "AWSAccountIds")
    statement = {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": accounts if len(accounts) > 1 else accounts[0]},
        "Action": actions if len(actions) > 1 else actions[0],
        "Resource": queue.key.arn,
    }
    return _put_policy(store, queue, policy, [*policy["Statement"], statement])


def remove_permission(store: Store, queue: Queue, parameters: Parameters) -> Result:
    """RemovePermission."""
    label = parameters.get("Label", "")
    policy = _policy(queue)
    left = [statement for statement in policy["Statement"] if statement.get("Sid") != label]
    if len(left) == len(policy["Statement"]):
        raise invalid_value(label, "Label", "can't find label.")
    return _put_policy(store, queue, policy, left)


def _policy(queue: Queue) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(queue.attributes.get("Policy", "{}"))
    empty = {"Version": "2008-10-17", "Id": f"{queue.key.arn}/SQSDefaultPolicy", "Statement": []}
    return empty | policy


def _put_policy(
    store: Store, queue: Queue, policy: dict[str, Any], statements: list[dict[str, Any]]
) -> Result:
    text = json.dumps(policy | {"Statement": statements}) if statements else ""
    changed = attributes.merged(queue.attributes, {"Policy": text}, store.now())
    store.change(queue, changed, queue.tags)
    return {}


def _tags(parameters: Parameters) -> dict[str, str]:
    """Return the tags; CreateQueue's are called `tags`."""
    tags = parameters.get("Tags") or parameters.get("tags") or {}
    for name, value in tags.items():
        if not isinstance(value, str):
            raise invalid_value(value, "Tag.Value", f"The value of tag {name} is no text.")
    return dict(tags)


def _page(name: str, urls: list[str], parameters: Parameters) -> Result:
    """Return the asked page of a list; without MaxResults there is but one."""
    size = whole(parameters, "MaxResults", 1, _MAX_RESULTS)
    token = parameters.get("NextToken") or "0"
    if not token.isdecimal():
        raise invalid_value(token, "NextToken", "Invalid or expired next token.")
    start = int(token)
    end = start + (size or _MAX_RESULTS)
    result: Result = {name: urls[start:end]} if urls else {}
    if size and end < len(urls):
        result["NextToken"] = str(end)
    return result


CALLER_ACTIONS: dict[str, Callable[[Store, Caller, Parameters], Result]] = {
    "CreateQueue": create_queue,
    "GetQueueUrl": get_queue_url,
    "ListDeadLetterSourceQueues": list_dead_letter_source_queues,
    "ListQueues": list_queues,
}
QUEUE_ACTIONS: dict[str, Callable[[Store, Queue, Parameters], Result]] = {
    "AddPermission": add_permission,
    "DeleteQueue": delete_queue,
    "GetQueueAttributes": get_queue_attributes,
    "ListQueueTags": list_queue_tags,
    "RemovePermission": remove_permission,
    "SetQueueAttributes": set_queue_attributes,
    "TagQueue": tag_queue,
    "UntagQueue": untag_queue,
}

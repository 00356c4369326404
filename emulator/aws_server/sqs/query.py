"""SQS's older protocol: form fields in, XML out. Old SDKs and command lines speak it.

Source: Amazon SQS API Reference, "Making Query API requests using the AWS query protocol".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl
from xml.sax import saxutils

from emulator.aws_server.sqs.errors import SqsError
from emulator.http1 import Request

_NAMESPACE = "http://queue.amazonaws.com/doc/2012-11-05/"
_LISTS = {
    "ActionName": "Actions",
    "AttributeName": "AttributeNames",
    "AWSAccountId": "AWSAccountIds",
    "ChangeMessageVisibilityBatchRequestEntry": "Entries",
    "DeleteMessageBatchRequestEntry": "Entries",
    "MessageAttributeName": "MessageAttributeNames",
    "MessageSystemAttributeName": "MessageSystemAttributeNames",
    "SendMessageBatchRequestEntry": "Entries",
    "TagKey": "TagKeys",
}
_MAPS = {
    "Attribute": ("Attributes", "Name"),
    "MessageAttribute": ("MessageAttributes", "Name"),
    "MessageSystemAttribute": ("MessageSystemAttributes", "Name"),
    "Tag": ("Tags", "Key"),
}
_ELEMENTS = {
    "Attributes": ("Attribute", "Name"),
    "Failed": ("BatchResultErrorEntry", None),
    "MessageAttributes": ("MessageAttribute", "Name"),
    "Messages": ("Message", None),
    "QueueUrls": ("QueueUrl", None),
    "Results": ("ListMessageMoveTasksResultEntry", None),
    "Tags": ("Tag", "Key"),
    "queueUrls": ("QueueUrl", None),
}


def read(request: Request) -> tuple[str, dict[str, Any]]:
    """Return the action and the parameters, named as in the JSON protocol."""
    path, _, search = request.target.partition(b"?")
    fields = parse_qsl(search.decode("latin-1"), keep_blank_values=True)
    fields += parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    tree: dict[str, Any] = {}
    for name, value in fields:
        _place(tree, name.split("."), value)
    action = str(tree.pop("Action", ""))
    parameters = _renamed(tree)
    parameters.setdefault("QueueUrl", path.decode("latin-1"))
    return action, parameters


def _place(tree: dict[str, Any], parts: list[str], value: str) -> None:
    for part in parts[:-1]:
        branch = tree.setdefault(part, {})
        if not isinstance(branch, dict):
            return
        tree = branch
    tree[parts[-1]] = value


def _renamed(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a request or an entry: numbered fields become lists and maps."""
    result: dict[str, Any] = {}
    for name, value in tree.items():
        if not isinstance(value, dict):
            result[name] = value
        elif name in _LISTS:
            items = _numbered(value)
            result[_LISTS[name]] = [
                _renamed(item) if isinstance(item, dict) else item for item in items
            ]
        elif name in _MAPS:
            target, key = _MAPS[name]
            items = [item for item in _numbered(value) if isinstance(item, dict)]
            result[target] = {item.get(key, ""): item.get("Value", "") for item in items}
    return result


def _numbered(branch: dict[str, Any]) -> list[Any]:
    return [branch[name] for name in sorted((n for n in branch if n.isdecimal()), key=int)]


def written(action: str, result: dict[str, Any] | SqsError, request_id: str) -> bytes:
    """Return the XML of an answer."""
    if isinstance(result, SqsError):
        fault = "Sender" if result.is_sender_fault else "Receiver"
        text = (
            f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>{fault}</Type>'
            f"<Code>{_escape(result.code)}</Code><Message>{_escape(result.message)}</Message>"
            f"<Detail/></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    else:
        inner = _fields(action, result)
        content = f"<{action}Result>{inner}</{action}Result>" if inner else ""
        text = (
            f'<{action}Response xmlns="{_NAMESPACE}">{content}<ResponseMetadata>'
            f"<RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
        )
    return f'<?xml version="1.0"?>{text}'.encode()


def _fields(action: str, value: dict[str, Any]) -> str:
    return "".join(_element(action, name, item) for name, item in value.items())


def _element(action: str, name: str, value: Any) -> str:
    if name == "Successful":
        return "".join(_tag(f"{action}ResultEntry", _fields(action, item)) for item in value)
    if name in _ELEMENTS and not isinstance(value, str):
        element, key = _ELEMENTS[name]
        if key is not None:
            return "".join(
                _tag(element, _tag(key, _escape(item)) + _tag("Value", _content(action, content)))
                for item, content in value.items()
            )
        return "".join(_tag(element, _content(action, item)) for item in value)
    return _tag(name, _content(action, value))


def _content(action: str, value: Any) -> str:
    if isinstance(value, dict):
        return _fields(action, value)
    return _escape(str(value).lower() if isinstance(value, bool) else str(value))


def _escape(text: str) -> str:
    return saxutils.escape(text, {"\r": "&#13;"})


def _tag(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"

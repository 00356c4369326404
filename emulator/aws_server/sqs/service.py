"""SQS over HTTP: its JSON protocol and its older query protocol."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from emulator.aws_server.sqs import actions, query
from emulator.aws_server.sqs.actions import Parameters, Result
from emulator.aws_server.sqs.errors import SqsError
from emulator.aws_server.sqs.moves import Moves
from emulator.aws_server.sqs.queue import Queue
from emulator.aws_server.sqs.queue_actions import CALLER_ACTIONS, QUEUE_ACTIONS, Caller
from emulator.aws_server.sqs.receivers import Receivers
from emulator.aws_server.sqs.store import Store
from emulator.http1 import Header, Request

_LOG = logging.getLogger(__name__)

TARGET_PREFIX = b"AmazonSQS."
_JSON_TYPE: Header = (b"content-type", b"application/x-amz-json-1.0")
_XML_TYPE: Header = (b"content-type", b"text/xml")
_CREDENTIAL = re.compile(rb"Credential=([^/,\s]+)/[^/]*/([^/]+)/")
_FAILURE = SqsError("InternalFailure", "The request failed in a way that nobody thought of.", 500)

_Respond = Callable[[Result | SqsError], None]
_MessageAction = Callable[[Store, Queue, Parameters, str], Result]
_MESSAGE_ACTIONS: Mapping[str, _MessageAction] = {
    "ChangeMessageVisibility": actions.change_message_visibility,
    "ChangeMessageVisibilityBatch": actions.change_message_visibility_batch,
    "DeleteMessage": actions.delete_message,
    "DeleteMessageBatch": actions.delete_message_batch,
    "PurgeQueue": actions.purge_queue,
    "SendMessage": actions.send_message,
    "SendMessageBatch": actions.send_message_batch,
}


@dataclass(frozen=True)
class Defaults:
    """What a request without credentials or a host is taken for."""

    account: str
    region: str
    host: str


class SqsService:
    """Answers requests; credentials name an account and a region and are otherwise not checked.

    An access key of 12 digits is the account itself.
    """

    def __init__(self, store: Store, defaults: Defaults) -> None:
        self.store = store
        self._defaults = defaults
        self._receivers = Receivers(store)
        self._moves = Moves(store)

    async def stop(self) -> None:
        """Let go of those who wait and of tasks under way."""
        self._receivers.stop()
        await self._moves.stop()

    def serve(self, request: Request) -> None:
        """Answer a request, now or when a message arrives."""
        target = request.header(b"x-amz-target")
        if target is not None and target.startswith(TARGET_PREFIX):
            action = target[len(TARGET_PREFIX) :].decode("latin-1")
            respond = _safely(request, _json_answer(request))
            try:
                parameters = json.loads(request.body) if request.body else {}
            except (ValueError, RecursionError):
                parameters = None
            if not isinstance(parameters, dict):
                respond(SqsError("SerializationException", "The body is no JSON object."))
                return
        else:
            action, parameters = query.read(request)
            respond = _safely(request, _query_answer(request, action))
        trace = request.header(b"x-amzn-trace-id")
        if trace is not None and action == "SendMessage":
            header = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace.decode()}}
            given = parameters.get("MessageSystemAttributes") or {}
            parameters = {**parameters, "MessageSystemAttributes": {**header, **given}}
        try:
            result = self._perform(action, parameters, request, respond)
        except SqsError as error:
            result = error
        except Exception:
            _LOG.exception("cannot serve %s", action)
            result = _FAILURE
        if result is not None:
            respond(result)

    def _perform(
        self,
        action: str,
        parameters: Parameters,
        request: Request,
        respond: _Respond,
    ) -> Result | SqsError | None:
        """Return what an action gives; None if it has answered or will."""
        caller = self._caller(request)
        if action in CALLER_ACTIONS:
            return CALLER_ACTIONS[action](self.store, caller, parameters)
        move = {
            "StartMessageMoveTask": self._moves.start,
            "ListMessageMoveTasks": self._moves.list,
            "CancelMessageMoveTask": self._moves.cancel,
        }.get(action)
        if move is not None:
            return move(parameters)
        known = action in _MESSAGE_ACTIONS or action in QUEUE_ACTIONS
        if not known and action != "ReceiveMessage":
            raise SqsError("InvalidAction", f"The action {action} is not valid for this endpoint.")
        queue = self.store.queue(caller.key_of(str(parameters.get("QueueUrl", ""))))
        if action in _MESSAGE_ACTIONS:
            return _MESSAGE_ACTIONS[action](self.store, queue, parameters, caller.account)
        if action in QUEUE_ACTIONS:
            return QUEUE_ACTIONS[action](self.store, queue, parameters)
        self._receivers.receive(queue, parameters, respond, lambda: request.client_waits)
        return None

    def _caller(self, request: Request) -> Caller:
        account, region, host = self._defaults.account, self._defaults.region, None
        for name, value in request.headers:
            if name == b"authorization":
                match = _CREDENTIAL.search(value)
                if match:
                    key = match[1].decode("latin-1")
                    region = match[2].decode("latin-1")
                    account = key if len(key) == 12 and key.isdecimal() else account
            elif name == b"host":
                host = value.decode("latin-1")
        return Caller(account, region, f"http://{host or self._defaults.host}")


def _safely(request: Request, respond: _Respond) -> _Respond:
    """Answer 500 if `respond` fails: long polls are answered while others are served."""

    def answer(result: Result | SqsError) -> None:
        try:
            respond(result)
        except Exception as error:
            request.fail(error)

    return answer


def _json_answer(request: Request) -> _Respond:
    def answer(result: Result | SqsError) -> None:
        headers = [_JSON_TYPE, _request_id()]
        if isinstance(result, SqsError):
            fault = "Sender" if result.is_sender_fault else "Receiver"
            headers.append((b"x-amzn-query-error", f"{result.code};{fault}".encode()))
            body = {"__type": f"com.amazonaws.sqs#{result.shape}", "message": result.message}
            request.respond(result.status, headers, json.dumps(body).encode())
        else:
            request.respond(200, headers, json.dumps(result, separators=(",", ":")).encode())

    return answer


def _query_answer(request: Request, action: str) -> _Respond:
    def answer(result: Result | SqsError) -> None:
        name, number = _request_id()
        status = result.status if isinstance(result, SqsError) else 200
        body = query.written(action, result, number.decode())
        request.respond(status, [_XML_TYPE, (name, number)], body)

    return answer


def _request_id() -> Header:
    return b"x-amzn-requestid", str(uuid.uuid4()).encode()

"""Lambda authorizers in front of real functions.

Source: API Gateway developer guide, "Control access to HTTP APIs with AWS Lambda authorizers".
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from emulator.app import Emulator
from emulator.gateway import authorizer
from emulator.logs import Kind
from emulator.template.model import Authorizer
from emulator.template.parse import load
from tests.emulator_harness import LogKeeper, running
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

_APP = Path(__file__).parents[2] / "fixtures" / "guarded_app" / "template.yaml"
_ARN = "arn:aws:execute-api:us-east-1:000000000000"


@pytest.fixture(scope="module")
def kept_logs() -> LogKeeper:
    return LogKeeper()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(kept_logs: LogKeeper) -> AsyncIterator[Emulator]:
    async with running(load(_APP), kept_logs) as emulator:
        yield emulator


class Caller:
    """Calls one route after the other, and counts how often the authorizer was asked."""

    def __init__(self, url: str, client: httpx.AsyncClient, logs: LogKeeper) -> None:
        self._url = url
        self._client = client
        self._logs = logs
        self._before = len(self._asked())

    async def get(self, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        headers = {**more.pop("headers", {}), **({"authorization": token} if token else {})}
        method = more.pop("method", "GET")
        return await self._client.request(
            method, f"{self._url}/live{path}", headers=headers, **more
        )

    def _asked(self) -> list[str]:
        return [text for text in self._logs.texts(Kind.FUNCTION) if text.startswith("asked ")]

    @property
    def questions(self) -> list[Any]:
        """The events that the authorizer got from this caller."""
        return [json.loads(text.removeprefix("asked ")) for text in self._asked()[self._before :]]


@pytest_asyncio.fixture(loop_scope="module")
async def caller(guarded: Emulator, kept_logs: LogKeeper) -> AsyncIterator[Caller]:
    async with httpx.AsyncClient(timeout=60) as client:
        yield Caller(guarded.gateway_url or "", client, kept_logs)


async def test_who_may_pass_brings_what_the_authorizer_said(caller: Caller) -> None:
    answer = await caller.get("/asked/7?q=1", "yes")
    assert answer.status_code == 200
    told = {"lambda": {"who": "ann", "roles": ["a"], "level": 2}}
    assert answer.json()["requestContext"]["authorizer"] == told
    silent = await caller.get("/asked/7", "silent")
    # As seen on AWS: without a context there is null.
    assert silent.json()["requestContext"]["authorizer"] == {"lambda": None}


async def test_the_question_in_format_2(caller: Caller, guarded: Emulator) -> None:
    await caller.get("/asked/7?q=1&q=2", "yes", headers={"cookie": "a=1; b=2", "x-own": "1"})
    (event,) = caller.questions
    api_id = guarded.app.http_apis[0].api_id
    assert event["version"] == "2.0"
    assert event["type"] == "REQUEST"
    assert event["routeArn"] == f"{_ARN}:{api_id}/live/GET/asked/7"
    assert event["identitySource"] == ["yes"]
    assert event["routeKey"] == event["requestContext"]["routeKey"] == "GET /asked/{id}"
    assert (event["rawPath"], event["rawQueryString"]) == ("/live/asked/7", "q=1&q=2")
    assert event["queryStringParameters"] == {"q": "1,2"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-own"] == "1"
    assert event["pathParameters"] == {"id": "7"}
    assert event["stageVariables"] == {"colour": "red"}
    assert event["requestContext"]["stage"] == "live"
    assert "authorizer" not in event["requestContext"]
    assert "body" not in event
    assert "isBase64Encoded" not in event


async def test_the_question_in_format_1(caller: Caller, guarded: Emulator) -> None:
    answer = await caller.get("/old/7?who=ann&who=bob", "policy Allow")
    assert answer.status_code == 200
    assert answer.json()["version"] == "1.0"
    assert answer.json()["requestContext"]["authorizer"] == {"who": "ann", "principalId": "ann"}
    (event,) = caller.questions
    api_id = guarded.app.http_apis[0].api_id
    assert event["methodArn"] == f"{_ARN}:{api_id}/live/GET/old/7"
    assert event["identitySource"] == event["authorizationToken"] == "policy Allow,ann,bob,red"
    assert (event["version"], event["type"]) == ("1.0", "REQUEST")
    assert (event["resource"], event["path"]) == ("/old/{id}", "/live/old/7")
    assert (event["httpMethod"], event["pathParameters"]) == ("GET", {"id": "7"})
    assert event["stageVariables"] == {"colour": "red"}
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"


async def test_without_its_identity_nobody_is_asked(caller: Caller) -> None:
    for path, token in (("/asked/7", None), ("/old/7", "policy Allow"), ("/old/7?who=", "yes")):
        answer = await caller.get(path, token)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    assert caller.questions == []


async def test_denied(caller: Caller) -> None:
    answer = await caller.get("/asked/7", "no")
    assert (answer.status_code, answer.json()) == (403, {"message": "Forbidden"})


@pytest.mark.parametrize(
    ("path", "token", "reason"),
    [
        ("/asked/1", "fail", "the function failed"),
        ("/asked/1", "[]", "its result must be an object"),
        ("/asked/1", '{"isAuthorized": "true"}', "needs isAuthorized"),
        ("/asked/1", '{"isAuthorized": true, "context": 5}', "context must be an object"),
        ("/asked/1", "policy Allow", "needs isAuthorized"),
        ("/policy/1", "yes", "policyDocument must be an object"),
        ("/policy/1", "policy Maybe", "Effect must be Allow or Deny"),
        ("/policy/1", '{"policyDocument": {"Statement": []}}', "needs a list Statement"),
        ("/policy/1", '{"policyDocument": {"Statement": [{"Effect": "Allow"}]}}', "Action must be"),
    ],
)
async def test_an_authorizer_that_cannot_be_understood(
    caller: Caller, kept_logs: LogKeeper, path: str, token: str, reason: str
) -> None:
    answer = await caller.get(path, token)
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
    request_id = answer.headers["apigw-requestid"]
    line = await kept_logs.until(
        lambda line: line.request_id == request_id and line.level == "ERROR"
    )
    assert reason in line.message


async def test_a_late_authorizer(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorizer, "TIMEOUT_S", 0.2)
    answer = await caller.get("/asked/1", "sleep")
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})


async def test_results_are_kept_for_all_routes(caller: Caller) -> None:
    """The trap: what was said of one route holds for every other of the same authorizer."""
    for path in ("/kept", "/kept", "/kept-too"):
        assert (await caller.get(path, "yes")).status_code == 200
        assert (await caller.get(path, "no")).status_code == 403
    assert [event["identitySource"] for event in caller.questions] == [["yes"], ["no"]]
    assert {event["rawPath"] for event in caller.questions} == {"/live/kept"}


async def test_results_are_kept_by_route_if_the_route_is_an_identity(caller: Caller) -> None:
    for path in ("/by-a", "/by-a", "/by-b", "/by-b"):
        assert (await caller.get(path, "yes")).status_code == 200
    assert [event["routeKey"] for event in caller.questions] == ["GET /by-a", "GET /by-b"]


async def test_a_failure_is_not_kept(caller: Caller) -> None:
    for _ in range(2):
        assert (await caller.get("/kept", "fail")).status_code == 500
    assert len(caller.questions) == 2


async def test_nothing_is_kept_without_identity_or_time(caller: Caller) -> None:
    for _ in range(2):
        assert (await caller.get("/anybody")).status_code == 200
        assert (await caller.get("/asked/1", "yes")).status_code == 200
    assert len(caller.questions) == 4
    assert "identitySource" not in caller.questions[0]


async def test_kept_results_end(kept_logs: LogKeeper) -> None:
    app = load(_APP)
    api = app.http_apis[0]
    route = next(route for route in api.routes if route.key == "GET /kept")
    assert isinstance(route.protection, Authorizer)
    brief = dataclasses.replace(route, protection=dataclasses.replace(route.protection, ttl_s=2))
    api = dataclasses.replace(api, routes=(brief,))
    async with (
        running(dataclasses.replace(app, http_apis=(api,)), kept_logs) as emulator,
        httpx.AsyncClient(timeout=60) as client,
    ):
        caller = Caller(emulator.gateway_url or "", client, kept_logs)
        await caller.get("/kept", "silent")  # both functions run by now
        await caller.get("/kept", "yes")
        await caller.get("/kept", "yes")
        assert len(caller.questions) == 2
        async with asyncio.timeout(PATIENCE_S):
            while len(caller.questions) < 3:
                assert (await caller.get("/kept", "yes")).status_code == 200
                await asyncio.sleep(0.05)


async def test_a_kept_policy_is_asked_about_each_route(caller: Caller, guarded: Emulator) -> None:
    api_id = guarded.app.http_apis[0].api_id
    token = f"policy Allow {_ARN}:{api_id}/live/GET/policy/a* {_ARN}:{api_id}/*/POST/*"
    statuses = [
        (await caller.get(f"/policy/{name}", token)).status_code for name in ("a1", "b", "a")
    ]
    assert statuses == [200, 403, 200]
    assert len(caller.questions) == 1
    assert (await caller.get("/policy/a", "policy Deny")).status_code == 403


async def test_what_cannot_be_checked_is_closed(
    caller: Caller, guarded: Emulator, kept_logs: LogKeeper
) -> None:
    for path, reason in (
        ("/tokens", "JWT authorizer, which is not emulated"),
        ("/iam", "IAM authorization is not emulated"),
        ("/unknown", "no authorizer named Nobody"),
    ):
        answer = await caller.get(path, "yes")
        assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
        assert any(
            reason in warning and f"GET {path} is closed" in warning
            for warning in guarded.app.warnings
        )
        await kept_logs.until(lambda line: line.level == "ERROR" and reason in line.message)  # noqa: B023
    assert len(guarded.app.warnings) == 3


async def test_open_routes_ask_nobody(caller: Caller) -> None:
    answer = await caller.get("/open")
    assert answer.status_code == 200
    assert "authorizer" not in answer.json()["requestContext"]
    assert caller.questions == []


async def test_preflights_pass_unless_a_catch_all_route_is_guarded(caller: Caller) -> None:
    asks = {"origin": "https://a.example", "access-control-request-method": "GET"}
    answer = await caller.get("/asked/1", method="OPTIONS", headers=asks)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert caller.questions == []
    guarded = await caller.get("/anybody", "no", method="OPTIONS", headers=asks)
    assert guarded.status_code == 403
    passed = await caller.get("/anybody", "yes", method="OPTIONS", headers=asks)
    assert (passed.status_code, passed.content) == (204, b"")


async def test_refusals_carry_cors_headers(caller: Caller) -> None:
    answer = await caller.get("/asked/1", "no", headers={"origin": "https://a.example"})
    assert answer.status_code == 403
    assert answer.headers["access-control-allow-origin"] == "https://a.example"


@pytest.mark.parametrize(
    ("path", "token", "rest"),
    [
        ("/asked/1", "yes", "GET GET /asked/{id} 200 [ann] [-] [-]"),
        ("/asked/1", "no", "GET GET /asked/{id} 403 [bob] [-] [-]"),
        ("/asked/1", None, "GET GET /asked/{id} 401 [-] [-] [-]"),
        ("/nothing", None, "GET - 404 [-] [-] [-]"),
        (
            "/asked/1",
            "fail",
            "GET GET /asked/{id} 500 [-] [authorizer Asked: the function failed] [-]",
        ),
    ],
)
async def test_access_log_as_the_template_says(
    caller: Caller, kept_logs: LogKeeper, path: str, token: str | None, rest: str
) -> None:
    request_id = (await caller.get(path, token)).headers["apigw-requestid"]
    line = await kept_logs.until(lambda line: line.message.startswith(f"{request_id} "))
    assert (line.kind, line.message) == (Kind.ACCESS, f"{request_id} {rest}")
    own = [each for each in kept_logs.lines if each.request_id == request_id]
    assert [each.kind for each in own].count(Kind.ACCESS) == 1

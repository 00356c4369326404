"""Versions and aliases of functions, in Lambda's API and wherever an ARN ends in one.

Sources: AWS SAM specification, AutoPublishAlias; Lambda API reference, Invoke (Qualifier),
ListAliases, GetAlias, ListVersionsByFunction.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from emulator.app import Emulator
from emulator.template.model import Application
from emulator.template.parse import load
from tests.emulator_harness import LogKeeper, LogLine, running

_ARN = "arn:aws:lambda:us-east-1:000000000000:function"
_TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  One:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: one, CodeUri: ., Handler: app.handler, Runtime: python3.13,
      AutoPublishAlias: live,
      EventInvokeConfig: {MaximumRetryAttempts: 0, DestinationConfig: {
        OnSuccess: {Destination: !Sub "${Raw.Arn}:GOOD"}, OnFailure: {Destination: !Ref Blue}}}}
  Raw:
    Type: AWS::Lambda::Function
    Properties: {FunctionName: raw, Code: ., Handler: app.handler, Runtime: python3.13, Role: r}
  RawVersion: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Raw}}
  Blue:
    Type: AWS::Lambda::Alias
    Properties: {FunctionName: !Ref Raw, FunctionVersion: !GetAtt RawVersion.Version, Name: blue}
  Plain:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: plain, CodeUri: ., Handler: app.handler, Runtime: python3.13,
      Environment: {Variables: {ALIAS: !Ref One.Alias, VERSION: !Ref One.Version, BLUE: !Ref Blue}}}
"""
_CODE = """
def handler(event, context):
    print("told", event if isinstance(event, str) else event.get("requestPayload"))
    if event == "fail":
        raise ValueError("no luck")
    return event
"""


def _app(folder: Path, text: str = _TEMPLATE) -> Application:
    (folder / "app.py").write_text(_CODE)
    (folder / "template.yaml").write_text(text.replace(":GOOD", ":blue"))
    return load(folder / "template.yaml")


async def _call(emulator: Emulator, method: str, **arguments: Any) -> Any:
    client: Any = boto3.client(
        "lambda",
        endpoint_url=emulator.lambda_url,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    return await asyncio.to_thread(getattr(client, method), **arguments)


def test_what_templates_refer_to(tmp_path: Path) -> None:
    app = _app(tmp_path)
    assert app.warnings == ()
    assert app.functions["plain"].environment == {
        "ALIAS": f"{_ARN}:one:live",
        "VERSION": f"{_ARN}:one:1",
        "BLUE": f"{_ARN}:raw:blue",
    }


@pytest.mark.parametrize(
    ("reference", "qualifier", "version"),
    [
        ("one", None, "$LATEST"),
        ("one", "$LATEST", "$LATEST"),
        ("one", "live", "1"),
        ("one", "1", "1"),
        ("one:live", None, "1"),
        (f"{_ARN}:one:live", "live", "1"),
        ("raw", "blue", "1"),
        ("one", "2", None),
        ("one", "blue", None),
        ("plain", "1", None),
        ("plain:live", None, None),
    ],
)
async def test_invoke(
    logs: LogKeeper, tmp_path: Path, reference: str, qualifier: str | None, version: str | None
) -> None:
    more = {} if qualifier is None else {"Qualifier": qualifier}
    async with running(_app(tmp_path), logs) as emulator:
        call = _call(emulator, "invoke", FunctionName=reference, Payload=b'"x"', **more)
        if version is None:
            with pytest.raises(ClientError, match="ResourceNotFoundException") as refused:
                await call
            name = reference if ":" in reference else f"{reference}:{qualifier}"
            message = refused.value.response["Error"]["Message"]
            assert message == f"Function not found: {_ARN}:{name}"
            return
        answer = await call
        assert answer["ExecutedVersion"] == version
        assert answer["Payload"].read() == b'"x"'
        described = await _call(emulator, "get_function", FunctionName=reference, **more)
        assert described["Configuration"]["Version"] == version


async def test_lists(logs: LogKeeper, tmp_path: Path) -> None:
    async with running(_app(tmp_path), logs) as emulator:
        (alias,) = (await _call(emulator, "list_aliases", FunctionName="one"))["Aliases"]
        assert alias["AliasArn"] == f"{_ARN}:one:live"
        assert (alias["Name"], alias["FunctionVersion"]) == ("live", "1")
        got = await _call(emulator, "get_alias", FunctionName="one", Name="live")
        assert {key: got[key] for key in alias} == alias
        with pytest.raises(ClientError, match=f"Cannot find alias arn: {_ARN}:one:nope"):
            await _call(emulator, "get_alias", FunctionName="one", Name="nope")
        assert (await _call(emulator, "list_aliases", FunctionName="plain"))["Aliases"] == []
        other: Any = {"FunctionName": "one", "FunctionVersion": "2"}
        assert (await _call(emulator, "list_aliases", **other))["Aliases"] == []
        for name, versions in (("one", ["$LATEST", "1"]), ("plain", ["$LATEST"])):
            listed = await _call(emulator, "list_versions_by_function", FunctionName=name)
            assert [one["Version"] for one in listed["Versions"]] == versions
            arns = [one["FunctionArn"] for one in listed["Versions"]]
            assert arns == [f"{_ARN}:{name}:{version}" for version in versions]
        every = await _call(emulator, "list_functions", FunctionVersion="ALL")
        assert len(every["Functions"]) == 5


async def test_destinations_by_alias(logs: LogKeeper, tmp_path: Path) -> None:
    """Both of one's destinations are the alias of another function."""
    async with running(_app(tmp_path), logs) as emulator:
        for payload in ("fine", "fail"):
            await _call(
                emulator,
                "invoke",
                FunctionName="one",
                InvocationType="Event",
                Payload=json.dumps(payload),
            )
        for text in ("told fine", "told fail"):
            await logs.until(partial(_is_of_raw, text))


def _is_of_raw(text: str, line: LogLine) -> bool:
    return (line.message, line.function) == (text, "raw")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "${Raw.Arn}:GOOD",
            "${Raw.Arn}:gone",
            f"one sends to {_ARN}:raw:gone: the function raw has no version or alias gone",
        ),
        (
            "  Plain:",
            "  Late: {Type: AWS::Scheduler::Schedule, Properties: {Name: late,\n"
            '    ScheduleExpression: rate(1 day), FlexibleTimeWindow: {Mode: "OFF"},\n'
            '    Target: {Arn: !Sub "${Raw.Arn}:7", RoleArn: r}}}\n  Plain:',
            f"late sends to {_ARN}:raw:7: the function raw has no version or alias 7",
        ),
        (
            "  Plain:",
            "  Map: {Type: AWS::Lambda::EventSourceMapping, Properties: {\n"
            '    FunctionName: !Sub "${Raw.Arn}:gone",\n'
            "    EventSourceArn: arn:aws:sqs:us-east-1:000000000000:q}}\n  Plain:",
            "EventSourceMapping Map: raw has no version or alias gone",
        ),
        ("!Ref One.Alias", "!Ref Plain.Alias", "Plain.Alias"),
    ],
)
def test_unknown_ones_are_told_once(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in _TEMPLATE
    app = _app(tmp_path, _TEMPLATE.replace(old, new))
    assert sum(sentence in warning for warning in app.warnings) == 1
    assert len(app.warnings) == 1


def test_mappings_by_alias(tmp_path: Path) -> None:
    mapped = (
        "  Map: {Type: AWS::Lambda::EventSourceMapping, Properties: {FunctionName: !Ref Blue,\n"
        "    EventSourceArn: arn:aws:sqs:us-east-1:000000000000:q}}\n"
    )
    app = _app(tmp_path, _TEMPLATE + mapped)
    assert [mapping.function for mapping in app.mappings] == ["raw"]

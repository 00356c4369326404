"""Templates that are damaged anywhere: an application, or one sentence, and never a traceback."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.template.parse import TemplateError, load
from tests.templates import FUNCTION, SAM, Load


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Resources:\n\tQ: x\n", "template.yaml:2: this is not YAML: found character '\\t'"),
        ("a: &x [*x]\n", "this is not YAML"),
        ("Resources: {? [a] : b}\n", "a key must be text"),
        ('a: "\\ud800"\n', "template.yaml:1: this is not YAML: this text is no Unicode"),
        ("a: b: c\n", "template.yaml:1: this is not YAML: mapping values are not allowed here"),
        pytest.param(f"Resources: {'[' * 999}{']' * 999}", "this is not YAML", id="deep"),
        pytest.param("x" * 1_000_001, "is larger than AWS's 1 MB", id="large"),
    ],
)
def test_what_cannot_be_read_at_all(read: Load, text: str, sentence: str) -> None:
    with pytest.raises(TemplateError) as caught:
        read(text)
    assert sentence in str(caught.value)


def test_a_billion_laughs(read: Load) -> None:
    lines = ["x0: &x0 {" + ", ".join(f"k{n}: lol" for n in range(10)) + "}"]
    for depth in range(1, 9):
        keys = ", ".join(f"k{n}: *x{depth - 1}" for n in range(10))
        lines.append(f"x{depth}: &x{depth} {{{keys}}}")
    text = SAM + "\n".join(lines) + f"\nResources:{FUNCTION}      Environment: *x8\n"
    with pytest.raises(TemplateError, match="the template has more than 250,000 values"):
        read(text)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "template.yaml"
    path.write_bytes(b"Resources: \xff\xfe")
    with pytest.raises(TemplateError, match="it is not UTF-8 text"):
        load(path)
    with pytest.raises(TemplateError, match="it cannot be read"):
        load(tmp_path)


_ANY: dict[str, Any] = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Parameters": {"P": {"Type": "String", "Default": "x", "AllowedValues": ["x"]}},
    "Mappings": {"M": {"a": {"b": 1}}},
    "Conditions": {"C": {"Fn::Equals": [{"Ref": "P"}, "x"]}},
    "Rules": {"R": {"Assertions": [{"Assert": {"Fn::Equals": [{"Ref": "P"}, "x"]}}]}},
    "Globals": {"Function": {"Runtime": "python3.13", "Environment": {"Variables": {"A": "1"}}}},
    "Resources": {
        "Api": {
            "Type": "AWS::Serverless::HttpApi",
            "Properties": {
                "StageName": "live",
                "CorsConfiguration": {"AllowOrigins": ["*"], "MaxAge": 1},
                "RouteSettings": {"GET /": {"ThrottlingRateLimit": 1}},
                "AccessLogSettings": {"Format": "$context.requestId"},
                "Auth": {
                    "DefaultAuthorizer": "A",
                    "Authorizers": {
                        "A": {
                            "AuthorizerPayloadFormatVersion": "2.0",
                            "FunctionArn": {"Fn::GetAtt": ["Work", "Arn"]},
                            "Identity": {"Headers": ["a"], "ReauthorizeEvery": 1},
                        }
                    },
                },
            },
        },
        "Work": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Handler": "app.handler",
                "CodeUri": ".",
                "Layers": [{"Ref": "Layer"}],
                "Environment": {"Variables": {"B": {"Fn::FindInMap": ["M", "a", "b"]}}},
                "EventInvokeConfig": {"DestinationConfig": {"OnFailure": {"Type": "SQS"}}},
                "Events": {
                    "Get": {
                        "Type": "HttpApi",
                        "Properties": {
                            "ApiId": {"Ref": "Api"},
                            "Method": "GET",
                            "Path": "/",
                            "Auth": {"Authorizer": "A"},
                        },
                    },
                    "Jobs": {
                        "Type": "SQS",
                        "Properties": {"Queue": {"Fn::GetAtt": ["Queue", "Arn"]}, "BatchSize": 2},
                    },
                    "Daily": {
                        "Type": "ScheduleV2",
                        "Properties": {
                            "ScheduleExpression": "rate(1 day)",
                            "DeadLetterConfig": {"Type": "SQS"},
                        },
                    },
                },
            },
        },
        "Layer": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "."}},
        "Raw": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": {"ZipFile": "x"},
                "Role": "r",
                "Handler": "index.a",
                "Runtime": "python3.13",
                "Tags": [{"Key": "a", "Value": "b"}],
            },
        },
        "Queue": {"Type": "AWS::SQS::Queue", "Condition": "C", "Properties": {"DelaySeconds": 1}},
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventPattern": {"source": ["a"]},
                "Targets": [{"Arn": {"Fn::GetAtt": ["Queue", "Arn"]}, "Id": "a"}],
            },
        },
    },
}


_PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=True), st.text(max_size=5)
)


_KEYS = "Ref Fn::Sub Fn::GetAtt Fn::If Fn::Join Fn::Select Fn::Split Fn::Cidr Fn::FindInMap"


_KEYS += " Fn::Equals Fn::Length Fn::ToJsonString Fn::Base64 Type"


_VALUES = st.recursive(
    _PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS.split()), inner)
    ),
    max_leaves=4,
)


@settings(max_examples=60)
@given(data=st.data())
def test_any_change_ends_in_an_application_or_one_sentence(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tree = copy.deepcopy(_ANY)
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(list(_places(tree))))
        holder[key] = data.draw(_VALUES)
    path = tmp_path_factory.mktemp("any") / "template.yaml"
    path.write_text(json.dumps(tree))
    try:
        said = load(path).warnings
    except TemplateError as error:
        said = (str(error),)
    assert all(sentence.startswith("template.yaml") for sentence in said)


def _places(node: Any) -> Any:
    """Every place of the tree that can be written over."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield node, key
        if isinstance(value, (dict, list)):
            yield from _places(value)

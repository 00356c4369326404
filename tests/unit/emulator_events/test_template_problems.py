"""Templates that are wrong in one place: a sentence with the line, and the rest runs."""

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

OTHER = """
  Other:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.13, CodeUri: code}
"""


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ("      Timeout: 901\n", "Function Work: Timeout must be a whole number from 1 to 900"),
        ("      Timeout: !Ref Nobody\n", "Ref names Nobody, which is neither a parameter nor"),
        ("      Environment: {Variables: {A: !Foo x}}\n", "function Fn::Foo is unknown"),
        ("      FunctionName: !ImportValue x\n", "Fn::ImportValue needs another stack"),
        ("      Environment: {Variables: [a]}\n", "Environment: Variables must be a mapping"),
        ("      MemorySize: lots\n", "MemorySize must be a whole number"),
        (
            "      Environment: {Variables: {A: '" + "x" * 5_000 + "'}}\n",
            "larger than Lambda's 4 KB",
        ),
        ("      FunctionName: Other\n", "Function Other: FunctionName Other is taken already"),
    ],
)
def test_a_function_that_cannot_be_read_is_left_out(
    read: Load, properties: str, sentence: str
) -> None:
    app = read(f"{SAM}Resources:{FUNCTION}{properties}{OTHER}")
    assert "Other" in app.functions
    assert len(app.functions) == 1
    (warning,) = app.warnings
    assert sentence in warning
    assert warning.endswith(" is left out")
    line, _, _ = warning.removeprefix("template.yaml:").partition(":")
    assert line in {"9", "13"}


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ("      Runtime: nodejs22.x\n", "functions for nodejs22.x are not run, only for Python 3"),
        ("      PackageType: Image\n", "container images are not run"),
        ("      CodeUri: s3://bucket/key\n", "CodeUri is not a local directory"),
    ],
)
def test_functions_that_are_not_run(read: Load, properties: str, sentence: str) -> None:
    lines = [
        line
        for line in FUNCTION.splitlines(keepends=True)
        if line.partition(":")[0] != properties.partition(":")[0]
    ]
    app = read(f"{SAM}Resources:{''.join(lines)}{properties}{OTHER}")
    assert set(app.functions) == {"Other"}
    assert sentence in app.warnings[0]


def test_function_urls_are_told(read: Load) -> None:
    app = read(f"{SAM}Resources:{FUNCTION}      FunctionUrlConfig: {{AuthType: NONE}}\n")
    assert set(app.functions) == {"Work"}
    assert app.warnings == ("template.yaml:9: Function Work: FunctionUrlConfig is not emulated",)


def test_one_event_that_cannot_be_read_harms_no_other(read: Load) -> None:
    events = "{Good: {Type: HttpApi, Properties: {Method: GET, Path: /a}}, "
    events += "Bad: {Type: HttpApi, Properties: {Method: GET, Path: !Ref Nobody}}, "
    events += "Worse: [x]}"
    app = read(f"{SAM}Resources:{FUNCTION}      Events: {events}\n")
    assert [route.key for route in app.http_apis[0].routes] == ["GET /a"]
    first, second = app.warnings
    assert first.endswith("; Work's event Bad is left out")
    assert second.startswith("template.yaml:9: Function Work: Events: Worse must be a mapping;")


def test_a_template_without_anything_left_is_refused(read: Load) -> None:
    with pytest.raises(TemplateError, match=r"template\.yaml:9: Function Work: Timeout must be"):
        read(f"{SAM}Resources:{FUNCTION}      Timeout: 901\n")


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::SQS::Queue", "{FifoQueue: true, QueueName: plain}"),
        ("AWS::Events::Rule", "{EventPattern: {source: x}}"),
        (
            "AWS::Scheduler::Schedule",
            "{ScheduleExpression: rate(0 days), Target: {Arn: !Ref Nobody}}",
        ),
        ("AWS::Events::EventBus", "{Name: !Ref Nobody}"),
        ("AWS::Lambda::EventSourceMapping", "{FunctionName: !Ref Nobody}"),
        ("AWS::Serverless::LayerVersion", "{ContentUri: !Ref Nobody}"),
        ("AWS::Serverless::HttpApi", "{CorsConfiguration: {MaxAge: never}}"),
    ],
)
def test_other_resources_that_cannot_be_read(read: Load, kind: str, properties: str) -> None:
    text = f"{SAM}Resources:{OTHER}  Bad:\n    Type: {kind}\n    Properties: {properties}\n"
    app = read(text)
    assert set(app.functions) == {"Other"}
    (warning,) = app.warnings
    assert warning.startswith("template.yaml:8: ")
    assert warning.endswith("; Bad is left out")


@pytest.mark.parametrize(
    ("resource", "sentence"),
    [
        ("{Type: 'AWS::ApiGatewayV2::Api'}", "the emulator does not run AWS::ApiGatewayV2::Api"),
        ("{Type: 'AWS::Lambda::Url'}", "the emulator does not run AWS::Lambda::Url"),
        ("{Type: 'AWS::Serverless::Connector'}", "does not run AWS::Serverless::Connector"),
        ("{Type: 'AWS::Serverless::Api'}", "the emulator does not run AWS::Serverless::Api"),
        ("{Typ: 'AWS::SQS::Queue'}", "the resource Bad needs a Type; Bad is left out"),
        ("[a]", "the resource Bad needs a Type; Bad is left out"),
        ("{Type: 'AWS::SQS::Queue', Condition: Never}", "no condition named Never; Bad is left"),
        ("{Type: 'AWS::SQS::Queue', Properties: [a]}", "Bad: Properties must be a mapping"),
    ],
)
def test_what_is_not_run_is_told(read: Load, resource: str, sentence: str) -> None:
    app = read(f"{SAM}Resources:{OTHER}  Bad: {resource}\n")
    (warning,) = app.warnings
    assert warning.startswith("template.yaml:6: ")
    assert sentence in warning


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("      Memory: 5\n", "Function Work has no property Memory"),
        ("      Environment: {Varables: {A: b}}\n", "Function Work: Environment has no property V"),
        (
            "      EventInvokeConfig: {DestinationConfig: {OnFail: {Type: SQS}}}\n",
            "EventInvokeConfig: DestinationConfig has no property OnFail",
        ),
        (
            "      Events: {A: {Type: Schedule, Properties: {Schedule: rate(1 day), Zone: x}}}\n",
            "Function Work: Events: A: Properties has no property Zone",
        ),
        (
            "      Events: {A: {Type: HttpApi, Properties: {Path: /, Method: GET, Timeout: 5}}}\n",
            "Function Work: Events: A: Properties has no property Timeout",
        ),
    ],
)
def test_properties_that_do_not_exist(read: Load, line: str, where: str) -> None:
    app = read(f"{SAM}Resources:{FUNCTION}{line}")
    (warning,) = app.warnings
    assert warning.startswith(f"template.yaml:9: {where}" if "Function" in where else "template.")
    assert where in warning
    assert warning.endswith("; it is ignored")


def test_loops_of_resources_are_told(read: Load) -> None:
    app = read(f"{SAM}Resources:{OTHER}  Fn::ForEach::Loop: [X, [a, b], {{}}]\n")
    assert app.warnings == (
        "template.yaml:6: Fn::ForEach is not emulated; write its resources out;"
        " Fn::ForEach::Loop is left out",
    )


def test_secrets_that_only_aws_has(read: Load) -> None:
    text = "Parameters:\n  Key: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /my/key}\n"
    text = f"{SAM}{text}Resources:{FUNCTION}      Environment: {{Variables: {{KEY: !Ref Key}}}}\n"
    app = read(text)
    assert app.functions["Work"].environment["KEY"] == "{{resolve:ssm:/my/key}}"
    (warning,) = app.warnings
    assert warning.startswith("template.yaml:11: Function Work: KEY is {{resolve:ssm:/my/key}}")
    assert warning.endswith("give --env KEY=VALUE")
    given = read(text, {"Key": "value"})
    assert (given.functions["Work"].environment["KEY"], given.warnings) == ("value", ())


@pytest.mark.parametrize(
    ("declaration", "sentence"),
    [
        ("{Type: Strng, Default: x}", "there is no Type Strng"),
        ("{Default: x}", "there is no Type None"),
        ("{Type: String, Default: [x]}", "its Default must be a text"),
        ("{Type: String, Default: x, MinLength: many}", "its constraints are not valid"),
        ("{Type: String, Default: x, AllowedPattern: '('}", "its constraints are not valid"),
        ("{Type: Number, Default: 1, MaxValue: {a: b}}", "its constraints are not valid"),
        ("{Type: 'List<Number>', Default: '1,x'}", "is not a number"),
        ("{Type: String}", "has no default: pass a value"),
        ("x", "must be a mapping with a Type"),
    ],
)
def test_parameters_that_are_not_valid(read: Load, declaration: str, sentence: str) -> None:
    with pytest.raises(TemplateError) as caught:
        read(f"{SAM}Parameters:\n  P: {declaration}\nResources:{FUNCTION}")
    assert str(caught.value).startswith("template.yaml:3: the parameter P")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "kind", ["AWS::EC2::VPC::Id", "List<AWS::EC2::Subnet::Id>", "AWS::SSM::Parameter::Name"]
)
def test_parameters_of_awss_own_types_are_texts(read: Load, kind: str) -> None:
    text = f"{SAM}Parameters:\n  P: {{Type: '{kind}', Default: x-1}}\nResources:{FUNCTION}"
    app = read(f"{text}      Environment: {{Variables: {{V: !Sub '${{P}}'}}}}\n")
    assert app.functions["Work"].environment["V"] == "x-1"


RULES = """
Parameters:
  Stage: {Type: String, Default: dev}
  Nets: {Type: CommaDelimitedList, Default: "a,b"}
Rules:
  Sizes:
    RuleCondition: !Equals [!Ref Stage, prod]
    Assertions:
      - Assert: !Contains [[c, d], !Ref Stage]
        AssertDescription: Production is not for you.
  Nets:
    Assertions:
      - Assert: !EachMemberIn [!Ref Nets, [a, b, c, z]]
      - Assert: !Not [!EachMemberEquals [!Ref Nets, z]]
  Lookup:
    Assertions:
      - Assert: !EachMemberIn [!ValueOfAll ['AWS::EC2::VPC::Id', Tags.Name], [a]]
"""


def test_rules_of_a_template(read: Load) -> None:
    text = f"{SAM}{RULES}Resources:{FUNCTION}"
    assert read(text).warnings == (
        "template.yaml:16: the rule Lookup is not checked: only AWS knows Fn::ValueOfAll",
    )
    with pytest.raises(TemplateError, match=r":10: the rule Sizes: Production is not for you\."):
        read(text, {"Stage": "prod"})
    with pytest.raises(TemplateError, match=r":14: the rule Nets: its assertion fails"):
        read(text, {"Nets": "a,x"})
    with pytest.raises(TemplateError, match=r":15: the rule Nets: its assertion fails"):
        read(text, {"Nets": "z,z"})


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


@settings(max_examples=60, deadline=None)
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


def test_all_that_is_wrong_is_told_when_nothing_is_left_to_run(read: Load) -> None:
    text = f"{SAM}Resources:"
    for name in ("A", "B"):
        text += f"{FUNCTION}      Environment: {{Variables: {{X: !Ref {name}Gone}}}}\n".replace(
            "Work", name
        )
    with pytest.raises(TemplateError) as caught:
        read(text)
    first, second, last = str(caught.value).splitlines()
    assert "AGone" in first
    assert "BGone" in second
    assert last == "No function is left that could run."


def test_all_else_that_is_wrong_is_told_then_too(read: Load) -> None:
    wrong = "Environment: {Variables: {X: !Ref Gone, Y: !Frobnicate x, Z: !GetAtt Nobody.Arn}}"
    with pytest.raises(TemplateError) as caught:
        read(f"{SAM}Resources:{FUNCTION}      {wrong}\n  T: {{Type: AWS::Nope::Thing}}\n")
    said = str(caught.value)
    assert all(name in said for name in ("Gone", "Frobnicate", "Nobody", "AWS::Nope::Thing"))


SEVERAL = """
  Broken:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.13
      CodeUri: code
      Timeout: !Foo 3
      Environment: {Variables: {A: !Ref Nobody, B: !Sub "${Nothing.Arn}/${!Kept}/${AWS::Region}"}}
      Tags: {by: !Ref NobodyElse}
  Lost:
    Type: AWS::SQS::Queue
    Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt Gone.Arn, maxReceiveCount: 2}}
"""


def test_all_references_that_lead_nowhere_are_told_and_the_rest_runs(read: Load) -> None:
    event = "      Events: {In: {Type: SQS, Properties: {Queue: !GetAtt Lost.Arn}}}\n"
    outputs = "Outputs: {A: {Value: !Ref BrokenRole}, B: {Value: !Bar x}}\n"
    app = read(f"{SAM}Resources:{FUNCTION}{event}{SEVERAL}{outputs}")
    assert set(app.functions) == {"Work"}
    assert (app.queues, app.mappings) == ((), ())
    first, *_ = app.warnings
    assert first.endswith(
        "Ref names Nobody, which is neither a parameter nor a resource here; Broken is left out"
    )
    told = "\n".join(app.warnings)
    for sentence in (
        "Ref names NobodyElse",
        "Fn::GetAtt asks for Nothing.Arn",
        "the intrinsic function Fn::Foo is unknown; AWS would refuse the template for it",
        "Fn::GetAtt asks for Gone.Arn, which does not exist here; Lost is left out",
        "Work gets nothing of local-Lost: it is left out",
        "the intrinsic function Fn::Bar is unknown; AWS would refuse",
    ):
        assert told.count(sentence) == 1, sentence
    assert len(app.warnings) == 7, told
    assert all(":" in warning.partition(" ")[0] for warning in app.warnings)

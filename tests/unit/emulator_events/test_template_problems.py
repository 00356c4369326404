"""Templates that are wrong in one place: a sentence with the line, and the rest runs."""

from __future__ import annotations

import pytest

from emulator.template.parse import TemplateError
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

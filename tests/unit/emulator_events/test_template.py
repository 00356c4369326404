"""Reading templates: what is declared, and what is refused with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emulator.template.model import Cors, Throttle
from emulator.template.parse import TemplateError, load
from tests.templates import FUNCTION, OWN_PARAMETERS, SAM, Load

REPOSITORY = Path(__file__).parents[3]


def environment(read: Load, value: str, more: str = "", **parameters: str) -> str:
    """What one environment variable resolves to."""
    text = f"{SAM}{more}\nResources:{FUNCTION}"
    text += f"      Environment:\n        Variables:\n          V: {value}\n"
    text += "  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}\n"
    text += "  R: {Type: AWS::IAM::Role, Properties: {RoleName: worker}}\n"
    text += "  Db: {Type: AWS::RDS::DBInstance}\n"
    text += "  Secret: {Type: AWS::SecretsManager::Secret, Properties: {Name: s}}\n"
    return read(text, parameters).functions["Work"].environment["V"]


PARAMETERS = """
Parameters:
  Stage: {Type: String, Default: dev, AllowedValues: [dev, prod]}
  Nets: {Type: CommaDelimitedList, Default: "a, b,c"}
  Size: {Type: Number, Default: 3, MinValue: 1, MaxValue: 5}
Mappings:
  Sizes: {dev: {memory: 128}, prod: {memory: 1024}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
  Either: !Or [!Condition IsProd, !Equals ["1", 1]]
  Both: !And [!Condition IsProd, !Condition IsDev]
"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("!Ref Stage", "dev"),
        ("{Ref: Stage}", "dev"),
        ("!Sub '${Nets}'", "a,b,c"),
        ("!Select [1, !Ref Nets]", "b"),
        ('!Join ["-", [x, !Ref Stage, !Ref Size]]', "x-dev-3"),
        ('!Join ["", !Split ["/", "a/b/c"]]', "abc"),
        ("!Sub ${Stage}-${AWS::Region}-${!Stage}", "dev-us-east-1-${Stage}"),
        (
            '!Sub ["${Stage}-${X}-${Q.Arn}", {X: !Ref Size}]',
            "dev-3-arn:aws:sqs:us-east-1:000000000000:jobs",
        ),
        ("{'Fn::Sub': '${AWS::AccountId}/${AWS::StackName}'}", "000000000000/local"),
        ("!If [IsProd, big, small]", "small"),
        ("!If [Either, big, small]", "big"),
        ("!If [Both, !GetAtt Nothing.Arn, none]", "none"),
        ("!FindInMap [Sizes, !Ref Stage, memory]", "128"),
        ("!Base64 hello", "aGVsbG8="),
        ("!FindInMap [Sizes, none, memory, {DefaultValue: !Ref Size}]", "3"),
        ('!Join [",", !Cidr [10.0.0.0/16, 2, 8]]', "10.0.0.0/24,10.0.1.0/24"),
        ("!Select [0, !GetAZs '']", "us-east-1a"),
        ("!Select [2, !GetAZs eu-west-1]", "eu-west-1c"),
        ("{'Fn::Length': !Ref Nets}", "3"),
        ("{'Fn::ToJsonString': {a: [!Ref Size, true]}}", '{"a":["3",true]}'),
        ('!Join ["", [a, !Ref "AWS::NoValue", b]]', "ab"),
        ("!Ref Q", "https://sqs.us-east-1.amazonaws.com/000000000000/jobs"),
        ("!GetAtt Q.Arn", "arn:aws:sqs:us-east-1:000000000000:jobs"),
        ("!GetAtt [Q, QueueName]", "jobs"),
        ("!GetAtt R.Arn", "arn:aws:iam::000000000000:role/worker"),
        ("!GetAtt WorkRole.Arn", "arn:aws:iam::000000000000:role/local-WorkRole"),
        ("!Ref Secret", "arn:aws:secretsmanager:us-east-1:000000000000:secret:s"),
        ("!GetAtt Db.Endpoint.Address", "local-Db.Endpoint.Address"),
        (
            "'{{resolve:secretsmanager:s:SecretString:k}}'",
            "{{resolve:secretsmanager:s:SecretString:k}}",
        ),
        ("true", "true"),
        ("1.5", "1.5"),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_intrinsics(read: Load, value: str, expected: str) -> None:
    assert environment(read, value, PARAMETERS) == expected


def test_parameters_passed_in(read: Load) -> None:
    assert environment(read, "!If [IsProd, big, small]", PARAMETERS, Stage="prod") == "big"
    assert environment(
        read, "!FindInMap [Sizes, !Ref Stage, memory]", PARAMETERS, Stage="prod"
    ) == ("1024")


@pytest.mark.parametrize(
    ("value", "parameters", "message"),
    [
        ("x", {"Stage": "test"}, "template.yaml:4: the parameter Stage: 'test' is not one of dev"),
        ("x", {"Size": "9"}, "template.yaml:6: the parameter Size: '9' is too small or too large"),
        ("x", {"Size": "big"}, "is not a number"),
        ("x", {"Colour": "red"}, "it has no parameter named Colour"),
        ("!Ref Nobody", {}, "template.yaml:24: Ref names Nobody, which is neither"),
        ("!GetAtt Nobody.Arn", {}, "template.yaml:24: Fn::GetAtt asks for Nobody.Arn"),
        ("!Sub '${Nobody}'", {}, "Nobody"),
        ("!Frobnicate x", {}, "template.yaml:24: the intrinsic function Fn::Frobnicate is unknown"),
        (
            "{'Fn::Transform': {Name: 'AWS::Include'}}",
            {},
            "template.yaml:24: Fn::Transform needs a macro that runs on AWS",
        ),
        ("{'Fn::ForEach::X': [a, [b], {}]}", {}, "Fn::ForEach::X is not emulated"),
        ("!Select [0, !Cidr [10.0.0.0/30, 9, 8]]", {}, "template.yaml:24: Fn::Cidr"),
        ("!Join", {}, "Fn::Join takes a list"),
        ("!GetAtt Q", {}, "Fn::GetAtt takes a resource's name and an attribute's name"),
        ("!If [IsProd, a]", {}, "Fn::If takes a condition's name and two values"),
        ("!Select [7, [a]]", {}, "item 7 of 1"),
        ("!If [Never, a, b]", {}, "there is no condition named Never"),
        ("!FindInMap [Sizes, test, memory]", {}, "finds no Sizes / test / memory"),
        ("[a, b]", {}, "variable V must be a text"),
        ("'{'\n   - x: [", {}, "this is not YAML"),
    ],
)
def test_what_is_broken_is_refused(
    read: Load, value: str, parameters: dict[str, str], message: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        environment(read, value, PARAMETERS, **parameters)
    assert message in str(caught.value)


def test_secret_parameters_are_not_shown(read: Load) -> None:
    text = SAM + "Parameters: {Key: {Type: String, NoEcho: true, MinLength: 9}}\nResources: {}\n"
    with pytest.raises(TemplateError) as caught:
        read(text + "  Q: {Type: AWS::SQS::Queue}\n".replace("{}", ""), {"Key": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a template is a mapping"),
        ("- a", "a template is a mapping"),
        ("Description: x", "it declares no Resources"),
        ("Resources: {Q: {}}", "the resource Q needs a Type"),
        ("Resources: [a]", "Resources must be a mapping"),
        ("Resources: {Q: {Type: A}, Q: {Type: B}}", "the key Q is written twice"),
        (f"Resources: {FUNCTION}", "needs the line `Transform: AWS::Serverless-2016-10-31`"),
        (SAM + "Resources:" + FUNCTION + "      Timeout: 901", ":9: Function Work: Timeout must"),
        (
            SAM + "Resources:" + FUNCTION.replace("      Handler: app.handler\n", ""),
            "Handler is re",
        ),
        (
            "Resources: {A: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetAtt A.QueueName}}}",
            "the name of A depends on itself",
        ),
        (
            "Conditions: {A: !Not [!Condition A]}\n"
            "Resources: {Q: {Type: AWS::SQS::Queue, Condition: A}}",
            "the condition A depends on itself",
        ),
    ],
)
def test_what_is_no_template(read: Load, text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        read(text)
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="No such file"):
        load(tmp_path / "none.yaml")


def test_globals_are_merged_as_sam_does(read: Load) -> None:
    text = (
        SAM
        + "Globals:\n  Function:\n    Runtime: python3.12\n    Timeout: 7\n"
        + "    Layers: [!Ref First]\n    Environment: {Variables: {A: '1', B: '1'}}\n"
        + "Resources:"
        + FUNCTION
        + "      Layers: [!Ref Second]\n      Environment: {Variables: {B: '2', C: '2'}}\n"
        + "  First: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: code}}\n"
        + "  Second: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: .}}\n"
    )
    function = read(text).functions["Work"]
    assert function.environment == {"A": "1", "B": "2", "C": "2"}
    assert (function.runtime, function.timeout_s, function.memory_mb) == ("python3.13", 7, 128)
    assert function.code_dir.name == "code"
    assert function.layer_dirs == (function.code_dir, function.code_dir.parent)


def test_a_layer_with_a_python_folder_has_that_on_the_path(read: Load, tmp_path: Path) -> None:
    (tmp_path / "code/python").mkdir()
    text = SAM + "Resources:" + FUNCTION + "      Layers: [!Ref First]\n"
    text += "  First: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: code}}\n"
    assert read(text).functions["Work"].layer_dirs == (tmp_path / "code/python",)


def test_http_routes(read: Load) -> None:
    app = read(
        SAM
        + "Resources:"
        + FUNCTION
        + "      Events:\n"
        + "        A: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: post, Path: '/a/{id}',"
        + " TimeoutInMillis: 900}}\n"
        + "        B: {Type: HttpApi, Properties: {ApiId: !Ref Api}}\n"
        + "        C: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: ANY,"
        + " Path: '/{proxy+}', RouteSettings: {ThrottlingBurstLimit: 1}}}\n"
        + "        D: {Type: HttpApi, Properties: {Method: GET, Path: /implicit}}\n"
        + "  Api:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n      StageName: v1\n"
        + "      StageVariables: {colour: red}\n"
        + "      DefaultRouteSettings: {ThrottlingRateLimit: 5}\n"
        + "      RouteSettings: {'POST /a/{id}': {ThrottlingRateLimit: 2}}\n"
        + "      CorsConfiguration: {AllowOrigins: ['https://x'], MaxAge: 5,"
        + " AllowCredentials: true}\n"
    )
    api, implicit = app.http_apis
    assert [route.key for route in api.routes] == ["POST /a/{id}", "$default", "ANY /{proxy+}"]
    assert [route.timeout_ms for route in api.routes] == [900, 30_000, 30_000]
    assert [route.throttle for route in api.routes] == [
        Throttle(rate=2),
        Throttle(),
        Throttle(burst=1),
    ]
    assert (api.stage, api.throttle, api.stage_variables) == (
        "v1",
        Throttle(rate=5),
        {"colour": "red"},
    )
    assert api.cors == Cors(("https://x",), allow_credentials=True, max_age_s=5)
    assert [route.key for route in implicit.routes] == ["GET /implicit"]
    assert (implicit.logical_id, implicit.stage) == ("ServerlessHttpApi", "$default")


def test_the_same_route_twice(read: Load) -> None:
    event = "{Type: HttpApi, Properties: {Method: GET, Path: /a}}"
    app = read(SAM + f"Resources:{FUNCTION}      Events: {{A: {event}, B: {event}}}\n")
    (warning,) = app.warnings
    assert "declares the route GET /a, which another event has already" in warning
    assert warning.endswith("; Work's event B is left out")
    assert [route.key for route in app.http_apis[0].routes] == ["GET /a"]


def test_function_details(read: Load) -> None:
    function = read(
        SAM
        + "Resources:"
        + FUNCTION
        + "      FunctionName: work\n      ReservedConcurrentExecutions: 0\n"
        + "      EventInvokeConfig: {MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0,\n"
        + "        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Q.Arn}}}\n"
        + "      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Q.Arn}\n"
        + "  Q: {Type: AWS::SQS::Queue}\n"
    ).functions["work"]
    arn = "arn:aws:sqs:us-east-1:000000000000:local-Q"
    assert function.logical_id == "Work"
    assert function.reserved_concurrency == 0
    assert function.dead_letter_arn == arn
    assert function.event_invoke.on_failure_arn == arn
    assert function.event_invoke.maximum_event_age_s == 60
    assert function.event_invoke.maximum_retry_attempts == 0


def mapping(properties: str) -> str:
    queue = "  Q: {Type: AWS::SQS::Queue}\n  F: {Type: AWS::SQS::Queue, Properties:"
    queue += " {FifoQueue: true}}\n"
    return (
        SAM
        + "Resources:"
        + FUNCTION
        + f"      Events: {{A: {{Type: SQS, Properties: {{{properties}}}}}}}\n{queue}"
    )


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        (
            "Queue: !GetAtt Q.Arn, BatchSize: 11",  # esm-19, recorded on AWS
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10",
        ),
        ("Queue: !GetAtt Q.Arn, BatchSize: 0", "BatchSize must be a whole number from 1"),
        ("Queue: !GetAtt F.Arn, BatchSize: 11", "BatchSize must be a whole number from 1 to 10"),
        ("Queue: !GetAtt F.Arn, MaximumBatchingWindowInSeconds: 1", "is not for FIFO queues"),
        ("Queue: !GetAtt Q.Arn, ScalingConfig: {MaximumConcurrency: 1}", "from 2 to 1000"),
        ("Queue: !GetAtt Q.Arn, FunctionResponseTypes: [Other]", "ReportBatchItemFailures"),
    ],
)
def test_mappings_that_lambda_refuses(read: Load, properties: str, message: str) -> None:
    app = read(mapping(properties))
    assert app.mappings == ()
    assert message in app.warnings[0]


def test_a_queue_mapped_to_a_function_twice(read: Load) -> None:  # esm-21, recorded on AWS
    text = mapping("Queue: !GetAtt Q.Arn")
    text += "  M:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties:\n"
    text += "      {EventSourceArn: !GetAtt Q.Arn, FunctionName: !Ref Work}\n"
    app = read(text)
    assert len(app.mappings) == 1
    assert "Work is mapped to local-Q already" in app.warnings[0]


def test_mapping_details(read: Load) -> None:
    (found,) = read(
        mapping(
            "Queue: !GetAtt Q.Arn, BatchSize: 100, MaximumBatchingWindowInSeconds: 2,"
            " Enabled: false, ScalingConfig: {MaximumConcurrency: 5},"
            " FunctionResponseTypes: [ReportBatchItemFailures]"
        )
    ).mappings
    assert (found.function, found.queue_name) == ("Work", "local-Q")
    assert (found.batch_size, found.maximum_batching_window_s) == (100, 2)
    assert (found.maximum_concurrency, found.enabled) == (5, False)
    assert found.report_batch_item_failures


def test_queue_attributes_are_as_createqueue_takes_them(read: Load) -> None:
    dead, queue = read(
        "Resources:\n  Dead: {Type: AWS::SQS::Queue, Properties: {KmsMasterKeyId: alias/x}}\n"
        "  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      FifoQueue: true\n"
        "      VisibilityTimeout: 90\n      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn,"
        ' maxReceiveCount: "6"}\n'
    ).queues
    assert dead.attributes == {}
    assert queue.name == "local-Q.fifo"
    assert queue.attributes["FifoQueue"] == "true"
    assert queue.attributes["VisibilityTimeout"] == "90"
    policy = json.loads(queue.attributes["RedrivePolicy"])
    assert policy == {"deadLetterTargetArn": dead.arn, "maxReceiveCount": 6}


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ("ScheduleExpression: rate(1 minutes)", "ScheduleExpression is not valid: a rate is"),
        ("ScheduleExpression: rate(1 day), ScheduleExpressionTimezone: Mars", "time zone 'Mars'"),
        ("ScheduleExpression: rate(1 day), StartDate: soon", "StartDate is not valid"),
        ("Name: x", "ScheduleExpression is required"),
    ],
)
def test_schedules_that_aws_refuses(read: Load, properties: str, message: str) -> None:
    text = SAM + "Resources:" + FUNCTION
    app = read(text + f"      Events: {{A: {{Type: ScheduleV2, Properties: {{{properties}}}}}}}\n")
    assert app.schedules == ()
    (warning,) = app.warnings
    assert message in warning
    assert warning.startswith("template.yaml:9: ")


def test_a_pattern_that_is_not_valid(read: Load) -> None:
    event = "{Type: EventBridgeRule, Properties: {Pattern: {source: a}}}"
    (warning,) = read(SAM + f"Resources:{FUNCTION}      Events: {{A: {event}}}\n").warnings
    assert '"source" must be an object or an array' in warning


def test_unknown_things_are_told_with_their_line_and_the_rest_runs(read: Load) -> None:
    app = read(
        SAM
        + "Resources:"
        + FUNCTION
        + "      Memory: 5\n      Events: {A: {Type: Kinesis, Properties: {Stream: x}}}\n"
        + "  T:\n    Type: AWS::DynamoDB::Table\n"
        + "  L: {Type: AWS::Logs::LogGroup}\n  P: {Type: AWS::SQS::QueuePolicy}\n"
    )
    assert set(app.functions) == {"Work"}
    assert set(app.warnings) == {
        "template.yaml:9: Function Work has no property Memory; it is ignored",
        "template.yaml:10: Function Work: Events: A: events of type Kinesis are not emulated",
        "template.yaml:12: T: the emulator does not run AWS::DynamoDB::Table",
    }


def test_a_resource_whose_condition_is_false_does_not_exist(read: Load) -> None:
    text = SAM + "Conditions: {No: !Equals [a, b]}\nResources:\n"
    text += "  Q: {Type: AWS::SQS::Queue, Condition: 'No'}\n  R: {Type: AWS::SQS::Queue}\n"
    assert [queue.logical_id for queue in read(text).queues] == ["R"]


def test_queue_urls_are_the_endpoints(read: Load) -> None:
    text = SAM + "Resources:" + FUNCTION + "      Environment: {Variables: {U: !Ref Q}}\n"
    text += "  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}\n"
    app = read(text, aws_endpoint="http://127.0.0.1:4566/", account_id="1" * 12)
    assert app.functions["Work"].environment["U"] == f"http://127.0.0.1:4566/{'1' * 12}/jobs"


def test_paywrights_own_template_reads_without_a_warning() -> None:
    app = load(REPOSITORY / "template.yaml", OWN_PARAMETERS)
    assert app.warnings == ()
    assert {"authorize", "capture", "webhook", "relay"} <= set(app.functions)
    assert "POST /v1/payments" in {route.key for route in app.http_apis[0].routes}

"""What an event is, by its form; nothing here listens where it would be sent."""

import json

import pytest

from cli.arrival import send
from cli.errors import Failure
from cli.paths import CHECKOUT
from cli.state import Urls

_NOWHERE = Urls(**dict.fromkeys(Urls.__dataclass_fields__, "http://127.0.0.1:9"))
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"Records": [{"EventSource": "aws:sns"}]}, "Nothing here sends events of aws:sns"),
        ({"Records": [{"eventSource": "aws:s3"}]}, "Nothing here sends events of aws:s3"),
        (
            {"Records": [{"eventSource": "aws:sqs"}, {"eventSource": "aws:kinesis"}]},
            "Nothing here sends events of aws:kinesis, aws:sqs",
        ),
        ({"Records": ["text"]}, "Nothing here sends events of an unknown source"),
        ({"Records": []}, "This is no event of an HTTP API"),
        ({"httpMethod": "GET", "requestContext": {}}, "payload format 1.0"),
        ({"hello": "world"}, "This is no event of an HTTP API"),
        ([], "This is no event of an HTTP API"),
        ("text", "This is no event of an HTTP API"),
        ({"requestContext": {"http": {}}}, "This event of an HTTP API is incomplete"),
        (
            {
                "requestContext": {"http": {"method": "GET"}},
                "rawPath": "/",
                "body": "%",
                "isBase64Encoded": True,
            },
            "This event of an HTTP API is incomplete",
        ),
        (
            {"detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": "{}"},
            "does not name it in `resources`",
        ),
        (
            {
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "detail": {},
                "resources": ["nonsense"],
            },
            "does not name it in `resources`",
        ),
        (
            {"requestContext": {"http": {"method": "GET"}}, "rawPath": "/"},
            "http://127.0.0.1:9 does not answer",
        ),
    ],
)
def test_what_cannot_be_sent_is_told_in_a_sentence(event, words):
    with pytest.raises(Failure, match=words):
        send(event, _NOWHERE, trace=_TRACE)


@pytest.mark.parametrize("file", sorted((CHECKOUT / "events").glob("*.json")), ids=lambda f: f.stem)
def test_no_sample_holds_a_key_or_an_id_of_one_machine(file):
    text = file.read_text()
    json.loads(text)
    assert "sk_test_" not in text
    assert "Bearer ${API_KEY}" in text or "Bearer" not in text

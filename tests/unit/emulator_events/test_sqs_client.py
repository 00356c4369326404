"""The SQS client's signatures, against botocore's own."""

from __future__ import annotations

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from emulator.sqs import Credentials, SqsClient

BODY = b'{"QueueUrl":"http://127.0.0.1:4566/000000000000/q"}'


@pytest.mark.parametrize("token", [None, "session-token"])
@pytest.mark.parametrize("host", ["127.0.0.1:4566", "sqs.eu-west-1.amazonaws.com"])
async def test_signature(token: str | None, host: str) -> None:
    given = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)

    async def credentials() -> Credentials:
        return given

    client = SqsClient(f"http://{host}", "eu-west-1", credentials)
    headers = client._signed("ReceiveMessage", BODY, given)
    written = headers.pop("authorization")
    request = AWSRequest("POST", f"http://{host}/", headers, BODY)
    request.context["timestamp"] = headers["x-amz-date"]
    boto = SigV4Auth(BotoCredentials(given.access_key, given.secret_key, token), "sqs", "eu-west-1")
    signature = boto.signature(
        boto.string_to_sign(request, boto.canonical_request(request)), request
    )
    assert written.endswith(f"Signature={signature}")
    assert f"Credential={given.access_key}/{headers['x-amz-date'][:8]}/eu-west-1/sqs/" in written

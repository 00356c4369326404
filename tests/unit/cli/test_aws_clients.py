"""Whose credentials go where when a command speaks to AWS."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.aws import client, error_code, place, told
from cli.errors import Failure
from cli.state import Urls

URLS = Urls("", "", "http://127.0.0.1:4566", "", "", "", "")


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:4566", "http://localhost:1", "http://[::1]:1"])
def test_a_loopback_endpoint_gets_dummies(url: str) -> None:
    made = client("sqs", url)
    assert made._request_signer._credentials.access_key == "test"
    assert (made.meta.region_name, made.meta.endpoint_url) == ("us-east-1", url)


def test_the_environment_goes_before_dummies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "000000000007")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    made = client("sqs", "http://127.0.0.1:4566")
    assert made._request_signer._credentials.access_key == "000000000007"
    assert made.meta.region_name == "eu-west-1"


def test_the_running_systems_own_server_gets_what_its_emulator_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    made = client("sqs", URLS)
    assert made._request_signer._credentials.access_key == "test"
    assert made.meta.region_name == "us-east-1"


def test_other_endpoints_and_aws_get_no_dummies(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failure, match="region"):
        client("sqs", None)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for where in (None, "https://sqs.example.com"):
        made = client("sqs", where)
        with pytest.raises(Failure, match="credentials"), told():
            made.list_queues()


def test_aws_is_not_the_endpoint_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert client("sqs", None).meta.endpoint_url == "https://sqs.eu-west-1.amazonaws.com"


def test_both_variables_for_the_region_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert client("sqs", None).meta.region_name == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert client("sqs", None).meta.region_name == "ap-south-1"


def test_places() -> None:
    assert place(None, on_aws=True) is None
    assert place("http://127.0.0.1:1", on_aws=False) == "http://127.0.0.1:1"
    for url, on_aws in (("http://127.0.0.1:1", True), ("127.0.0.1:1", False)):
        with pytest.raises(Failure, match="endpoint-url"):
            place(url, on_aws=on_aws)


def test_a_failure_that_is_not_awss_has_no_code() -> None:
    assert error_code(Failure("no")) == ""

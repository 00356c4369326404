"""What is said of servers that the environment gives."""

from __future__ import annotations

import socket

import pytest

from cli.errors import Failure
from cli.given import check_given


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "postgres://host:port/x"),
        ("VALKEY_URL", "nonsense"),
        ("VALKEY_URL", "redis://"),
        ("AWS_ENDPOINT_URL", "127.0.0.1:4566"),
    ],
)
def test_a_malformed_url_is_named(variable: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, url)
    with pytest.raises(Failure, match=f"^{variable} is not a URL"):
        check_given()


@pytest.mark.parametrize(
    ("variable", "scheme"),
    [("DATABASE_URL", "postgresql"), ("VALKEY_URL", "redis"), ("AWS_ENDPOINT_URL", "http")],
)
def test_a_server_that_is_away_is_named_without_its_password(
    variable: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        monkeypatch.setenv(variable, f"{scheme}://user:hunter2@127.0.0.1:{port}")
        with pytest.raises(Failure, match=f"127.0.0.1:{port}, where {variable}") as failure:
            check_given()
        assert "hunter2" not in str(failure.value)
        listener.listen()
        check_given()

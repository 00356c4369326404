import pytest

from cli.database import login_url, without_password


def test_another_user_gets_the_same_database():
    url = "postgresql://owner:secret@db.example:5432/paywright?sslmode=require"
    assert login_url(url, "app", "pw") == (
        "postgresql://app:pw@db.example:5432/paywright?sslmode=require"
    )
    assert login_url("postgresql://db.example/paywright", "app", "pw") == (
        "postgresql://app:pw@db.example/paywright"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://owner:secret@host:1/db", "postgresql://owner@host:1/db"),
        ("redis://:secret@127.0.0.1:1/0", "redis://127.0.0.1:1/0"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
    ],
)
def test_no_password_is_shown(url, shown):
    assert without_password(url) == shown

import pytest

from cli.database import Login, Logins, login_url, without_password


def test_another_user_gets_the_same_database():
    url = "postgresql://owner:secret@db.example:5432/paywright?sslmode=require"
    login = Login("app", "paywright_app", "pw")
    assert login_url(url, login) == (
        "postgresql://app:pw@db.example:5432/paywright?sslmode=require"
    )
    assert login_url("postgresql://db.example/paywright", login) == (
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


def test_who_shares_a_server_has_logins_of_its_own():
    logins = Logins.make(lambda name: f"secret of {name}", "_1a2b")
    assert logins.app == Login(
        "paywright_app_login_1a2b", "paywright_app", "secret of paywright_app_login"
    )
    assert logins.housekeeping.role == "paywright_housekeeping"

import io

from rich.console import Console

from cli.ledger_view import TAccount, t_accounts


def _drawn(accounts: list[TAccount], width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(t_accounts(accounts, width))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]


def test_amounts_stand_on_their_side_in_the_currency_s_own_units():
    accounts = [
        TAccount("cash", "usd", debits=[("capture", 1999)]),
        TAccount("merchant_balance", "jpy", credits=[("capture", 1999), ("payout", 5)]),
    ]
    left, right = _drawn(accounts[:1], 80), _drawn(accounts[1:], 80)
    assert left[-1].split("│") == ["    19.99 capture ", ""]
    assert [line.split("│")[1].strip() for line in right[-2:]] == ["1999 capture", "5 payout"]


def test_as_many_accounts_stand_side_by_side_as_fit():
    accounts = [TAccount(name, "usd", debits=[("capture", 1)]) for name in ("a", "b", "c", "d")]
    for width, per_row in ((40, 1), (80, 2), (120, 3)):
        heads = [line for line in _drawn(accounts, width) if "usd" in line]
        assert heads[0].count("usd") == per_row
        assert max(len(line) for line in _drawn(accounts, width)) <= width

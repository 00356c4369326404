"""The search for card numbers finds them in whatever dress, and takes nothing else for one."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from paywright.processors.test_cards import SCENARIOS
from tests.card_numbers import found_in, in_files

CARD = "4242424242424242"
FOUND = {"a number that ends in 4242"}


@pytest.mark.parametrize(
    "text",
    [
        CARD,
        f"card {CARD}, declined",
        f'{{"number": "{CARD}"}}',
        json.dumps(json.dumps({"number": CARD})),
        f"number={CARD}&cvc=",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        CARD.encode().hex(),
        f"\\x{json.dumps({'number': CARD}).encode().hex()}",
        base64.b64encode(f'{{"number": "{CARD}"}}'.encode()).decode(),
        base64.urlsafe_b64encode(f"x{CARD}".encode()).decode().rstrip("="),
    ],
)
def test_a_card_number_is_found(text: str) -> None:
    assert found_in(text, [CARD]) == FOUND


def test_numbers_of_every_network_are_found_unasked() -> None:
    for number in (*SCENARIOS, "378282246310005", "5555555555554444", "6011111111111117"):
        assert found_in(f'"{number}"') == {f"a number that ends in {number[-4:]}"}


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424241",  # its check digit is wrong
        "1764098412345, 1764098412344",  # milliseconds: one in ten has a right one
        "99999999999",
        "0.4242424242424242",
        "sk_test_a4242424242424242f",
        "019abc42-4242-7424-8242-424242424242",
        "txn_01kaqd1e8pe5b9n2w4tq7c3m0x",
        "2026-11-25T19:16:35.123Z 2026-11-25 19:16:35",
    ],
)
def test_other_numbers_are_not(text: str) -> None:
    assert found_in(text) == set()


@pytest.mark.parametrize("text", ['{"cvc": "123"}', '\\"cvc\\": \\"123\\"', "cvv=1234", "CVC: 123"])
def test_a_security_code_is_found_by_its_name(text: str) -> None:
    assert found_in(text) == {"a security code"}


CODE = "073"


@pytest.mark.parametrize(
    "text",
    [
        CODE,
        f'{{"security": "{CODE}"}}',
        json.dumps(json.dumps({"pin": CODE})),
        f"pin={CODE}&number=",
        f"('{CARD[-4:]}', '{CODE}')",
        f"\x1b[31mrefused\x1b[0m: {CODE}.",
        base64.b64encode(f'{{"security": "{CODE}"}}'.encode()).decode(),
        f"\\x{json.dumps({'security': CODE}).encode().hex()}",
    ],
)
def test_a_known_security_code_is_found_under_any_name(text: str) -> None:
    assert found_in(text, code=CODE) == {"the security code"}
    assert found_in(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "0.073",
        "10737",
        "2026-11-25 19:16:35,073+0000 2026-11-25T19:16:35.073Z",
        "019abc42-0730-7073-8073-424242424073",
        "txn_01kaqd1e8pe5b9n2w4tq7c3m073",
        base64.b64encode(b"\xff\x00\x01\x02\x03\x04\x05\x06 073 \xff\x00\xff\x00").decode(),
    ],
)
def test_its_digits_within_something_else_are_not(text: str) -> None:
    assert found_in(text, code=CODE) == set()


def test_a_known_number_is_found_in_any_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "binary").write_bytes(b"\xff" * 3_999_990 + CARD.encode() + b"\xff" * 99)
    (tmp_path / "some.log").write_text(f"{CARD} and 378282246310005, {CODE}\n")
    assert in_files(tmp_path, [CARD], CODE) == {
        "deep/binary: a number that ends in 4242",
        "some.log: a number that ends in 4242",
        "some.log: a number that ends in 0005",
        "some.log: the security code",
    }

"""What letters say, of the sample events and of hostile ones."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from paywright.notifications.letters import KIND_OF, Incomplete, Kind, letter

_SAMPLES = Path(__file__).parents[3] / "events"


def sample(kind: Kind) -> dict[str, Any]:
    """A sample event's payload."""
    text = (_SAMPLES / f"notifications_{kind}.json").read_text()
    text = text.replace("${NOW}", "2026-11-22T20:00:00Z").replace("${EVENT}", "evt_1")
    body = json.loads(json.loads(text)["Records"][0]["body"])
    assert KIND_OF[body["detail-type"]] is kind
    payload: dict[str, Any] = json.loads(body["detail"]["payload"])
    return payload


class Page(HTMLParser):
    """The words of an HTML page, and what its tags are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_letter_whose_two_forms_say_the_same(kind: Kind) -> None:
    made = letter(kind, sample(kind))
    # A test key changes where mails of live mode go as well.
    assert made.subject.startswith("[test mode] ") is (kind is not Kind.EMAIL_CHANGED)
    assert len(made.subject) < 120
    page = Page(made.html)
    assert page.words == made.text.replace(":", "").split() or (
        [word.rstrip(":") for word in page.words]
        == [word.rstrip(":") for word in made.text.split()]
    )
    assert page.links == []
    assert made.text.endswith("Reference: evt_1\n")
    assert max(len(line) for line in made.text.splitlines()) < 400


def test_letters_say_what_happened() -> None:
    dispute = letter(Kind.DISPUTE_OPENED, sample(Kind.DISPUTE_OPENED) | {"livemode": True})
    assert dispute.subject == "A payment of 19.99 usd is disputed"
    assert "Evidence until: 2026-12-06 23:59 UTC" in dispute.text
    assert "Reason: product not received" in dispute.text
    settled = letter(Kind.SETTLEMENT_READY, sample(Kind.SETTLEMENT_READY))
    assert settled.subject == ("[test mode] Your settlement of 2026-11-22 is ready: 1261.03 usd")
    assert "Fees: 37.97 usd" in settled.text


def test_a_url_is_shown_without_what_may_be_secret_in_it() -> None:
    payload = sample(Kind.ENDPOINT_DISABLED)
    assert "URL: https://shop.example/hooks\n" in letter(Kind.ENDPOINT_DISABLED, payload).text
    payload["data"]["object"]["url"] = "https://user:word@shop.example/hooks#part"
    assert "URL: https://shop.example/hooks\n" in letter(Kind.ENDPOINT_DISABLED, payload).text


def test_what_others_wrote_stays_text_on_its_line() -> None:
    payload = sample(Kind.DISPUTE_OPENED)
    hostile = "<script>x</script>\r\nBcc: all@example.com\u202e\x00\ud800" + "y" * 5_000
    payload["data"]["object"]["reason"] = hostile
    made = letter(Kind.DISPUTE_OPENED, payload)
    assert "<script>" not in made.html
    assert "&lt;script&gt;" in made.html
    assert (
        Page(made.html).tags
        == Page(letter(Kind.DISPUTE_OPENED, sample(Kind.DISPUTE_OPENED)).html).tags
    )
    (line,) = [line for line in made.text.splitlines() if "Reason" in line]
    assert "Bcc: all@example.com" in line
    assert len(line) < 220
    assert all(each.isprintable() or each == "\n" for each in made.text)
    made.text.encode()  # no lone surrogate
    payload["data"]["object"]["currency"] = "usd\nBcc: x"
    with pytest.raises(Incomplete):
        letter(Kind.DISPUTE_OPENED, payload)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data": None}, "data is no object"),
        ({"data": {"object": []}}, "data.object is no object"),
        ({"livemode": "no"}, "livemode is missing"),
        ({"created_at": "yesterday"}, "created_at is no time"),
        ({"id": 7}, "id is missing"),
    ],
)
def test_what_lacks_something_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Incomplete, match=said):
        letter(Kind.API_KEY_CREATED, sample(Kind.API_KEY_CREATED) | change)


@pytest.mark.parametrize("kind", Kind)
def test_each_field_of_a_letter_is_asked_for(kind: Kind) -> None:
    payload = sample(kind)
    given = payload["data"]["object"]
    said = set()
    for name in given:
        less = {**payload, "data": {"object": {k: v for k, v in given.items() if k != name}}}
        try:
            letter(kind, less)
        except Incomplete as error:
            said.add((name, str(error)))
    assert len(said) >= 2
    assert all(name in message for name, message in said)

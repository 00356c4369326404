"""Mail that was sent through the AWS endpoint of this machine: what a merchant would have got."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cli.api import call
from cli.aws import Place, endpoint_of
from cli.errors import Failure

_TIMEOUT_S = 10
_SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class Mail:
    """One mail; `id` is what SES gave its sender."""

    id: str
    sent_at: str
    sender: str
    to: list[str]
    subject: str
    text: str
    html: str

    @property
    def short_id(self) -> str:
        """The beginning of the id, by which `show` finds it."""
        return self.id.partition("-")[0]


def mails(where: Place, *, to: str | None = None) -> list[Mail]:
    """What was sent, the latest first, to one address if it is given; Failure if nobody keeps it.

    The endpoint keeps the latest 500.
    """
    url = endpoint_of(where)
    path = "/_ministack/ses/messages"
    answer = None if url is None else call("GET", url + path, timeout_s=_TIMEOUT_S)
    if answer is None or answer.status != 200 or not isinstance(answer.body, dict):
        raise Failure(
            f"{url or 'AWS'} does not show what was sent: only the endpoint that `paywright up` "
            "starts keeps mails."
        )
    found = [_mail(one) for sent in answer.body["messages"].values() for one in sent]
    found.sort(key=lambda mail: mail.sent_at, reverse=True)
    return [mail for mail in found if to is None or to in mail.to]


def none_yet(to: str | None) -> str:
    """What is said where there is no mail."""
    return "No mail was sent yet." if to is None else f"No mail was sent to {to} yet."


def find(where: Place, given: str | None, *, to: str | None = None) -> Mail:
    """The mail whose id begins like this, or the latest; Failure if it is not exactly one."""
    found = mails(where, to=to)
    if not found:
        raise Failure(none_yet(to))
    if given is None:
        return found[0]
    fitting = [mail for mail in found if mail.id.startswith(given)]
    if len(given) < _SHORTEST_PREFIX or not fitting:
        raise Failure(f"There is no mail {given}: `paywright mail list` shows them.")
    if len(fitting) > 1:
        raise Failure(f"{given} could be any of {len(fitting)} mails: give more of it.")
    return fitting[0]


def _mail(sent: dict[str, Any]) -> Mail:
    at = datetime.fromtimestamp(float(sent["Timestamp"]), UTC)
    return Mail(
        id=sent["MessageId"],
        sent_at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        sender=sent["Source"],
        to=[*sent["To"], *sent["CC"], *sent["BCC"]],
        subject=sent["Subject"],
        text=sent["BodyText"] or "",
        html=sent["BodyHtml"] or "",
    )

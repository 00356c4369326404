"""Mail that SES took: the latest of it is kept, and survives the process, however it ends.

MiniStack keeps every mail for ever, and in memory only. Who sent it what is read at its own
`GET /_ministack/ses/messages`.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

MOST_KEPT = 500
"""Of all accounts and regions together."""
_FILE = "mail.jsonl"


def adapt(ses: Any) -> None:
    """Let MiniStack's SES, both of its versions, keep mail in a bounded list and in a file.

    Before `ses_v2` is imported: it takes the list of `ses`.
    """
    persistence: Any = import_module("ministack.core.persistence")
    responses: Any = import_module("ministack.core.responses")
    file = Path(persistence.STATE_DIR) / _FILE if persistence.PERSIST_STATE else None
    box = MailBox(file)
    for mail in box.mails:
        _list_of(ses, mail["Account"], mail["Region"], box).keep(mail)
    ses._sent_emails_list = lambda: _list_of(
        ses, responses.get_account_id(), responses.get_region(), box
    )


class MailBox:
    """All mails, the oldest first, in memory and in a file with a line each."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lines = 0
        self.mails = self._read()[-MOST_KEPT:]
        self._write_anew()

    def add(self, mail: dict[str, Any]) -> dict[str, Any] | None:
        """Keep one; the mail that had to go for it, if any."""
        self.mails.append(mail)
        gone = self.mails.pop(0) if len(self.mails) > MOST_KEPT else None
        if self._file is not None and self._lines < 2 * MOST_KEPT:
            with self._file.open("a") as opened:
                opened.write(json.dumps(mail) + "\n")
            self._lines += 1
        else:
            self._write_anew()
        return gone

    def _read(self) -> list[dict[str, Any]]:
        if self._file is None or not self._file.exists():
            return []
        found = []
        for line in self._file.read_text().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:  # the process was killed while it wrote it
                continue
        return found

    def _write_anew(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text("".join(json.dumps(mail) + "\n" for mail in self.mails))
        fresh.replace(self._file)
        self._lines = len(self.mails)


class _Sent(list[dict[str, Any]]):
    """What one account has sent from one region, as MiniStack appends to it and reads it."""

    def __init__(self, account: str, region: str, box: MailBox, ses: Any) -> None:
        super().__init__()
        self._account, self._region, self._box, self._ses = account, region, box, ses

    def keep(self, mail: dict[str, Any]) -> None:
        """Take one that is in the box already."""
        super().append(mail)

    def append(self, mail: dict[str, Any]) -> None:
        """Take one that was sent now."""
        kept = {**mail, "Account": self._account, "Region": self._region}
        super().append(kept)
        gone = self._box.add(kept)
        if gone is not None:
            _list_of(self._ses, gone["Account"], gone["Region"], self._box).remove(gone)


def _list_of(ses: Any, account: str, region: str, box: MailBox) -> _Sent:
    found = ses._sent_emails.get_scoped(account, region, "entries")
    if found is None:
        found = _Sent(account, region, box, ses)
        ses._sent_emails.set_scoped(account, region, "entries", found)
    sent: _Sent = found
    return sent

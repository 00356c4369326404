"""Writes the parts of docs/ that are made from code: `python -m tools.reference`."""

from __future__ import annotations

import json
from pathlib import Path

from tools.reference.events import schema
from tools.reference.events_page import events_page
from tools.reference.openapi import document
from tools.reference.pages import NOTE, errors_page, testing_page
from tools.reference.payments_page import payments_page

DOCS = Path(__file__).parents[2] / "docs"


def files() -> dict[str, str]:
    """The text of every file that is made, by its name in docs/."""
    return {
        "openapi.json": json.dumps(document(), indent=2, ensure_ascii=False) + "\n",
        "errors.md": errors_page(),
        "events.md": events_page(NOTE),
        "events.schema.json": json.dumps(schema(), indent=2, ensure_ascii=False) + "\n",
        "payments.md": payments_page(NOTE),
        "testing.md": testing_page(),
    }


if __name__ == "__main__":
    for name, text in files().items():
        (DOCS / name).write_text(text, encoding="utf-8")

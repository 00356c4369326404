"""Writes the parts of docs/ that are made from code: `python -m tools.reference`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tools.reference.events import schema
from tools.reference.events_page import events_page
from tools.reference.openapi import document
from tools.reference.pages import NOTE, errors_page, testing_page
from tools.reference.payments_page import payments_page

DOCS = Path(__file__).parents[2] / "docs"


FILES: dict[str, Callable[[], str]] = {
    "openapi.json": lambda: _json(document()),
    "errors.md": errors_page,
    "events.md": lambda: events_page(NOTE),
    "events.schema.json": lambda: _json(schema()),
    "payments.md": lambda: payments_page(NOTE),
    "testing.md": testing_page,
}
"""What makes the text of each file, by its name in docs/."""


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, made in FILES.items():
        (DOCS / name).write_text(made(), encoding="utf-8")

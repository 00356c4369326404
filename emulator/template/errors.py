"""What is wrong with a template, said with its line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class TemplateError(Exception):
    """The template cannot be used; the message names the file, the line and the reason."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        super().__init__(locate(path, line, reason))
        self.path = path
        self.line = line
        self.reason = reason


class OnlyElsewhere(TemplateError):
    """AWS could tell a value of which nothing is known here, such as another stack's output."""


def together(errors: Sequence[TemplateError]) -> TemplateError:
    """Return one error that says them all, a line each."""
    first = errors[0]
    first.args = ("\n".join(dict.fromkeys(map(str, errors))),)
    return first


def locate(path: Path, line: int | None, sentence: str) -> str:
    """Return the sentence with its file and line in front, as compilers write it."""
    where = path.name if line is None else f"{path.name}:{line}"
    return f"{where}: {sentence}"

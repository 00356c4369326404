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


def together(errors: Sequence[TemplateError], warnings: Sequence[str]) -> TemplateError:
    """Return one error that says them all, a line each, and what else was found on the way."""
    first = errors[0]
    untold = [str(each) for each in errors if not any(str(each) in text for text in warnings)]
    said = dict.fromkeys((*untold, *warnings, "No function is left that could run."))
    first.args = ("\n".join(said),)
    return first


def locate(path: Path, line: int | None, sentence: str) -> str:
    """Return the sentence with its file and line in front, as compilers write it."""
    where = path.name if line is None else f"{path.name}:{line}"
    return f"{where}: {sentence}"

"""Code that a template holds itself, as files that functions can be run from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from emulator.template.model import Function


def unpack(functions: Mapping[str, Function], exits: ExitStack) -> dict[str, Function]:
    """Return the functions with inline code in folders that go when `exits` does.

    Lambda names the module `index` (AWS::Lambda::Function, Code, ZipFile).
    """
    found = dict(functions)
    for name, function in functions.items():
        if function.inline_code is not None:
            folder = Path(exits.enter_context(TemporaryDirectory(prefix="inline-")))
            (folder / "index.py").write_text(function.inline_code, encoding="utf-8")
            found[name] = replace(function, code_dir=folder)
    return found

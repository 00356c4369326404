"""The check at the end of `make build` sees each kind of fault."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.conformance.template.check_artifacts import (
    EM_AARCH64,
    problems_of_function,
    problems_of_layer,
)

EM_X86_64 = 62
LOCK = "".join(
    f"{pin} \\\n    --hash=sha256:00\n"
    for pin in ("annotated-types==0.7.0", "psycopg-binary==3.3.9")
)
MODULE = "python/psycopg_binary/pq.cpython-313-aarch64-linux-gnu.so"


def _write(path: Path, content: bytes = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _elf(machine: int) -> bytes:
    return b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HH", 3, machine)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    _write(folder / "requirements.lock", LOCK.encode())
    _write(folder / "paywright/__init__.py")
    _write(folder / "paywright/db/payments.sql")
    _write(folder / "paywright/__pycache__/__init__.cpython-311.pyc")
    return folder


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    folder = tmp_path / "SharedLayer"
    _write(folder / "python/paywright/__init__.py")
    _write(folder / "python/paywright/db/payments.sql")
    _write(folder / "python/annotated_types-0.7.0.dist-info/METADATA")
    _write(folder / "python/psycopg_binary-3.3.9.dist-info/METADATA")
    _write(folder / "python/psycopg_binary.libs/libpq.so.5", _elf(EM_AARCH64))
    _write(folder / MODULE, _elf(EM_AARCH64))
    return folder


def test_a_good_layer_has_no_problems(layer: Path, source: Path) -> None:
    assert list(problems_of_layer(layer, source)) == []


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (MODULE, _elf(EM_X86_64), "is not built for arm64"),
        ("python/a/b.cpython-311-aarch64-linux-gnu.so", _elf(EM_AARCH64), "for Python 3.13"),
        ("python/a.libs/libc.so.6", _elf(EM_X86_64), "is not built for arm64"),
        ("python/paywright/__pycache__/money.cpython-311.pyc", b"", "has no place"),
        ("python/extra-1.0.dist-info/METADATA", b"", "installed but not locked"),
    ],
)
def test_a_bad_file_is_named(
    layer: Path, source: Path, name: str, content: bytes, problem: str
) -> None:
    _write(layer / name, content)
    (found,) = problems_of_layer(layer, source)
    assert problem in found


def test_what_is_missing_is_named(layer: Path, source: Path) -> None:
    (layer / "python/paywright/db/payments.sql").unlink()
    (layer / "python/annotated_types-0.7.0.dist-info/METADATA").unlink()
    (layer / "python/annotated_types-0.7.0.dist-info").rmdir()
    assert list(problems_of_layer(layer, source)) == [
        "SharedLayer: paywright/db/payments.sql is missing",
        "SharedLayer: annotated-types 0.7.0 is locked but not installed",
    ]


def test_a_function_holds_its_own_files_only(tmp_path: Path) -> None:
    built, source = tmp_path / "Authorize", tmp_path / "authorize"
    for folder in (built, source):
        _write(folder / "app.py")
    _write(source / "__pycache__/app.cpython-311.pyc")
    assert list(problems_of_function(built, source)) == []
    _write(built / "Makefile")
    _write(source / "page.html")
    assert list(problems_of_function(built, source)) == [
        "Authorize: Makefile is not one of its own files",
        "Authorize: page.html is missing",
    ]

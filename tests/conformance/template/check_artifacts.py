"""Checks what `sam build` made before anyone deploys it: `check_artifacts.py .aws-sam/build`.

Functions hold their own files only; the layer holds the package, exactly the locked wheels, and
native code for Lambda's processor and Python; both fit Lambda's limits.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from emulator.template.source import Map, read

REPOSITORY = Path(__file__).resolve().parents[3]
# AWS Lambda Developer Guide, "Lambda quotas": deployment package, unzipped, including layers.
MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
# The layer stays well below it, so that there is room for what functions bring and for growth.
MAX_LAYER_BYTES = 150 * 1024 * 1024
ELF_MAGIC = b"\x7fELF"
EM_AARCH64 = 183
# abi3 modules load into every Python 3; libraries without a tag are what those modules link to.
NATIVE_TAG = re.compile(r"\.cpython-313-aarch64-linux-gnu\.so$|\.abi3\.so$")
PYTHON_MODULE_TAG = re.compile(r"\.(cpython-|pypy|cp\d)[^/]*\.so$|\.pyd$")
UNWANTED_NAMES = frozenset({"__pycache__", "Makefile", ".DS_Store", ".mypy_cache", ".ruff_cache"})
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def problems_of_function(folder: Path, source: Path) -> Iterator[str]:
    """Yield what is wrong with a function's artifact, compared with the folder it comes from."""
    if not (folder / "app.py").is_file():
        yield f"{folder.name}: app.py is missing"
    built, own = _files(folder), {name for name in _files(source) if not _unwanted(Path(name))}
    for name in sorted(built - own):
        yield f"{folder.name}: {name} is not one of its own files"
    for name in sorted(own - built):
        yield f"{folder.name}: {name} is missing"


def problems_of_layer(folder: Path, source: Path) -> Iterator[str]:
    """Yield what is wrong with the layer's artifact, compared with the folder it comes from."""
    site = folder / "python"
    own = {name for name in _files(source / "paywright") if not _unwanted(Path(name))}
    for name in sorted(own - _files(site / "paywright")):
        yield f"{folder.name}: paywright/{name} is missing"
    lock = (source / "requirements.lock").read_text()
    locked = {(_normal(name), version) for name, version in PINNED.findall(lock)}
    installed = {_distribution(path) for path in site.glob("*.dist-info")}
    for name, version in sorted(locked - installed):
        yield f"{folder.name}: {name} {version} is locked but not installed"
    for name, version in sorted(installed - locked):
        yield f"{folder.name}: {name} {version} is installed but not locked"
    for name in sorted(_files(folder)):
        if _unwanted(Path(name)):
            yield f"{folder.name}: {name} has no place in an artifact"
        yield from _problems_of_native(folder / name, f"{folder.name}: {name}")
    size = size_bytes(folder)
    if size > MAX_LAYER_BYTES:
        yield f"{folder.name}: {size:,} bytes, over {MAX_LAYER_BYTES:,}"


def problems_of_build(build: Path, repository: Path) -> Iterator[str]:
    """Yield what is wrong with the output of `sam build`."""
    resources = _resources(repository / "template.yaml")
    layer_bytes = 0
    for name, properties in resources["AWS::Serverless::LayerVersion"].items():
        yield from problems_of_layer(build / name, repository / properties["ContentUri"])
        layer_bytes += size_bytes(build / name)
    for name, properties in resources["AWS::Serverless::Function"].items():
        yield from problems_of_function(build / name, repository / properties["CodeUri"])
        if layer_bytes + size_bytes(build / name) > MAX_UNZIPPED_BYTES:
            yield f"{name}: with its layer over {MAX_UNZIPPED_BYTES:,} bytes"


def size_bytes(folder: Path) -> int:
    """Return the unzipped size of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _problems_of_native(path: Path, label: str) -> Iterator[str]:
    with path.open("rb") as file:
        header = file.read(20)
    if not header.startswith(ELF_MAGIC):
        return
    (machine,) = struct.unpack_from("<H", header, 18)
    if machine != EM_AARCH64:
        yield f"{label} is not built for arm64"
    if PYTHON_MODULE_TAG.search(path.name) and not NATIVE_TAG.search(path.name):
        yield f"{label} is not built for Python 3.13"


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _unwanted(path: Path) -> bool:
    return bool(UNWANTED_NAMES.intersection(path.parts)) or path.suffix == ".pyc"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _distribution(dist_info: Path) -> tuple[str, str]:
    name, _, version = dist_info.name.removesuffix(".dist-info").rpartition("-")
    return _normal(name), version


def _resources(template: Path) -> dict[str, dict[str, Map]]:
    by_type: dict[str, dict[str, Map]] = {}
    for name, resource in read(template)["Resources"].items():
        by_type.setdefault(resource["Type"], {})[name] = resource["Properties"]
    return by_type


def main() -> int:
    """Print the problems, or the sizes if there are none."""
    build = Path(sys.argv[1])
    problems = list(problems_of_build(build, REPOSITORY))
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 1
    for folder in sorted(path for path in build.iterdir() if path.is_dir()):
        print(f"{folder.name:<16}{size_bytes(folder) / 2**20:>8.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

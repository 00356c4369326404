"""The environment variables of an execution environment, as Lambda's developer guide lists them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from emulator.template.model import Function

# Of the emulator's own environment a function sees only what any process needs to run here.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "AWS_ENDPOINT_URL")
_DUMMY_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_SESSION_TOKEN": "test",
}
_CREDENTIALS = tuple(_DUMMY_CREDENTIALS)


def python_path(function: Function) -> str:
    """Code first, then layers: of each its `python` folder, and what pip installed into that.

    Source: Lambda developer guide, "Packaging your layer content": `python` and
    `python/lib/python3.x/site-packages`, of the function's runtime. On Lambda layers are unpacked
    over each other in their order, so that the last one wins.
    """
    folders = [
        python if python.is_dir() else layer
        for layer in reversed(function.layer_dirs)
        for python in [layer / "python"]
    ]
    installed = [folder / "lib" / function.runtime / "site-packages" for folder in folders]
    found = [folder for folder in installed if folder.is_dir()] + folders
    return os.pathsep.join(str(path) for path in (function.code_dir, *found))


def build(
    function: Function,
    *,
    runtime_api: str,
    region: str,
    tmp_dir: Path,
    number: int,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """All variables of one environment: Lambda's own cannot be overridden by the template's."""
    own = os.environ
    credentials = (
        {name: own[name] for name in _CREDENTIALS if name in own}
        if "AWS_ACCESS_KEY_ID" in own
        else _DUMMY_CREDENTIALS
    )
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    day = time.strftime("%Y/%m/%d", time.gmtime())
    return {
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        **{name: own[name] for name in _PASSED_ON if name in own},
        **credentials,
        **function.environment,
        **extra,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{day}/[$LATEST]{number:032x}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        # The Python that really runs here: from 3.12 on awslambdaric chooses its threads by it.
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{python}",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "LAMBDA_TASK_ROOT": str(function.code_dir),
        "LAMBDA_RUNTIME_DIR": str(Path(sys.executable).parent),
        "_HANDLER": function.handler,
        "PYTHONPATH": python_path(function),
        "TMPDIR": str(tmp_dir),
    }

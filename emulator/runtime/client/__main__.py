"""`python emulator/runtime/client CLIENT HANDLER`: run a function against its Runtime API.

CLIENT is `awslambdaric` (AWS's client over our transport) or `python` (ours alone).
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path

_NAME = "_lambda_runtime_client"


def main() -> None:
    """Load the package beside this file under its own name, then run the handler."""
    folder = Path(__file__).parent
    # As `python -m` leaves it, so that a function sees the path that it has under AWS's client.
    sys.path[0] = str(Path.cwd())
    spec = importlib.util.spec_from_file_location(
        _NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    sys.modules[_NAME] = importlib.util.module_from_spec(spec)
    _, client, handler = sys.argv
    module = "aws_bootstrap" if client == "awslambdaric" else "bootstrap"
    run = importlib.import_module(f"{_NAME}.{module}").run
    refused = importlib.import_module(f"{_NAME}.transport").ApiError
    try:
        run(handler, os.environ["AWS_LAMBDA_RUNTIME_API"])
    except refused as error:
        # Where it happened is in the emulator, which whoever wrote the function need not see.
        sys.exit(f"[ERROR] LAMBDA_RUNTIME {error}")


if __name__ == "__main__":
    main()

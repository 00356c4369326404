"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
EndpointUrl = Annotated[str | None, typer.Option(help="Another AWS endpoint.")]
OnAws = Annotated[bool, typer.Option("--aws", help="AWS itself, with your credentials.")]

"""The options of `python -m emulator`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from emulator.runtime import RuntimeSettings
from emulator.runtime.clients import Client


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; what is wrong with it ends the process with a sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m emulator", description="The laptop's AWS for one SAM template."
    )
    parser.add_argument(
        "--template", type=Path, required=True, metavar="PATH", help="the SAM template"
    )
    _add_addresses(parser)
    _add_values(parser)
    _add_lambda(parser)
    _add_files(parser)
    return parser.parse_args(argv)


def _add_addresses(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("where it is").add_argument
    add("--port", type=_port, default=3000, help="of the HTTP API; 0: any (default 3000)")
    add("--lambda-port", type=_port, default=3001, help="of Lambda's API (default 3001)")
    add("--host", default="127.0.0.1", help="address of the HTTP API (default 127.0.0.1)")
    add(
        "--aws-endpoint",
        metavar="URL",
        help="where queues, buses and schedules live (default $AWS_ENDPOINT_URL; without either"
        " one is started if the template needs it)",
    )
    add(
        "--aws-data-dir",
        type=Path,
        metavar="PATH",
        help="keeps what the endpoint that is started holds; without it that ends with it",
    )


def _add_values(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what the template and its functions are given").add_argument
    add(
        "--param",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a template parameter",
    )
    add(
        "--params-file",
        type=Path,
        metavar="PATH",
        help="JSON object of parameter values; unlike --param it keeps secrets out of `ps`",
    )
    add(
        "--env",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="environment variable for every function, over the template's",
    )


def _add_lambda(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("how functions run").add_argument
    add(
        "--max-environments",
        type=_positive,
        default=RuntimeSettings.max_environments,
        metavar="N",
        help="environments of one function at most (default %(default)s)",
    )
    add(
        "--prewarm",
        type=_count_pair,
        action="append",
        default=[],
        metavar="FUNCTION=N",
        help="environments to keep ready",
    )
    add(
        "--runtime-client",
        type=Client,
        choices=list(Client),
        default=Client.AUTO,
        help="what runs the handlers (default: awslambdaric where it is installed, else python)",
    )
    add("--no-reload", action="store_true", help="ignore changes of code and template")


def _add_files(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what it keeps and tells").add_argument
    add(
        "--clock-file",
        type=Path,
        metavar="PATH",
        help="eight bytes that say how far the clock is ahead; without it a moved clock is"
        " forgotten at the end",
    )
    add(
        "--state-file",
        type=Path,
        metavar="PATH",
        help="what schedules have fired, so that a restart neither repeats nor passes over any",
    )
    add(
        "--ready-file",
        type=Path,
        metavar="PATH",
        help="written as JSON once everything is up: pid and the URLs",
    )
    add(
        "--run-dir",
        type=Path,
        metavar="PATH",
        help="folder for its log in JSON and, while it runs, its addresses; `paywright emulator`"
        " chooses one where `paywright invoke`, `logs` and the like look",
    )
    add("--log-format", choices=["text", "json"], default="text")


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _count_pair(text: str) -> tuple[str, str]:
    name, value = _pair(text)
    if not value.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not FUNCTION=COUNT")
    return name, value


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)

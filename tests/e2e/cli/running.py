"""A running system as tests see it: its parts, a payment, and the webhook of that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli.api import call
from cli.state import State
from emulator.services.process import Identity
from tests.waiting import until


def state_of(paywright) -> State:
    state = State.load(paywright.home)
    assert state is not None
    return state


def descendants(root: int) -> list[Identity]:
    """A process and all that it started, directly or not."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except (OSError, IndexError):
            continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return [identity for pid in found if (identity := Identity.of(pid))]


def pay(paywright, amount: int = 1999) -> dict[str, Any]:
    content = {"amount": amount, "currency": "usd", "capture": True}
    method = {"payment_method_id": paywright.demo.payment_method_id}
    return dict(paywright.api.created("/v1/payments", {**content, **method}))


def webhook_of(paywright, payment_id: str) -> Any:
    url = f"{paywright.urls.receiver_url}/received"

    def find() -> Any:
        for item in call("GET", url).body:
            try:
                if item["payload"]["data"]["object"]["id"] == payment_id:
                    return item
            except (KeyError, TypeError):
                continue
        return None

    return until(find, f"the webhook of {payment_id}")

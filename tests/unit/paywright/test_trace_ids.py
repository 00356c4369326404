"""One trace id for all that a request causes."""

import re

import pytest

from paywright.http.messages import Request

_W3C = "4bf92f3577b34da6a3ce929d0e0e4736"
_TRACEPARENT = f"00-{_W3C}-00f067aa0ba902b7-01"
_XRAY = "Root=1-5759e988-bd862e3fe1be46a994272793"


def _trace_id(**headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", "/", named, b"", "request-1", None).trace_id


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": _TRACEPARENT}, _W3C),
        ({"traceparent": _TRACEPARENT, "x_amzn_trace_id": _XRAY}, _W3C),
        ({"x_amzn_trace_id": _XRAY}, "5759e988bd862e3fe1be46a994272793"),
        (
            {"x_amzn_trace_id": f"Self=1-67891234-12456789abcdef012345678;{_XRAY};Sampled=1"},
            "5759e988bd862e3fe1be46a994272793",
        ),
        (
            {"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01", "x_amzn_trace_id": _XRAY},
            "5759e988bd862e3fe1be46a994272793",
        ),
    ],
)
def test_the_callers_trace_goes_on_else_the_gateways(headers, expected):
    assert _trace_id(**headers) == expected


@pytest.mark.parametrize("broken", ["", "Root=1-5759e988", "Root=2-5759e988-bd86", "nonsense"])
def test_without_one_the_request_makes_its_own(broken):
    own = _trace_id(x_amzn_trace_id=broken)
    assert re.fullmatch("[0-9a-f]{32}", own)
    assert own == _trace_id()

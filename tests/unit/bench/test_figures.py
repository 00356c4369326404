"""The arithmetic of benchmarks, and what they read from wrk."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.bench.figures import Figures, median, percentile, ratio
from tests.bench.load import parse_wrk
from tests.bench.report import number, save

WRK = """\
Running 3s test @ http://127.0.0.1:3000/hello
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.54ms    2.11ms  41.20ms   80.10%
    Req/Sec     2.63k   210.50     3.01k    70.00%
  Latency Distribution
     50%  612.00us
     75%    6.10ms
     90%    8.00ms
     99%    1.32s
  7905 requests in 3.00s, 1.80MB read
Requests/sec:   2633.41
Transfer/sec:    614.00KB
"""


@pytest.mark.parametrize(
    ("samples", "percent", "expected"),
    [
        ([5.0], 99, 5.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.0),
        (list(range(1, 101)), 99, 99),
        (list(range(1, 102)), 99, 100),
        ([1.0, 2.0], 100, 2.0),
        ([1.0, 2.0], 0, 1.0),
    ],
)
def test_percentiles_are_samples(samples: list[float], percent: float, expected: float) -> None:
    assert percentile(samples, percent) == expected


def test_no_samples_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


def test_median_of_an_even_number_is_between() -> None:
    assert median([4.0, 1.0, 3.0, 2.0]) == 2.5


def test_ratio_needs_both() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(3.0, None) is None
    assert ratio(None, 2.0) is None
    assert ratio(3.0, 0.0) is None


def test_what_wrk_prints() -> None:
    load = parse_wrk(WRK)
    assert (load.requests_per_s, load.p50_ms, load.p99_ms) == (2633.41, 0.612, 1320.0)
    assert load.failures == 0
    errors = "  Socket errors: connect 1, read 2, write 3, timeout 4\n"
    assert parse_wrk(f"{WRK}{errors}  Non-2xx or 3xx responses: 5\n").failures == 15


def test_targets_say_whether_they_are_met_and_leave_out_what_is_unknown() -> None:
    figures = Figures()
    figures.expect("fast", 3.0, "ms", at_most=3)
    figures.expect("many", 3.0, "/s", at_least=4)
    figures.expect("unknown", None, "ms", at_most=1)
    assert [(target.wanted, target.met) for target in figures.targets] == [
        ("fast", True),
        ("many", False),
    ]


def test_a_run_is_kept_as_json_and_as_a_chart(tmp_path: Path) -> None:
    figures = Figures()
    for sample in (2.0, 8.0, 3.0):
        figures.add("hello", "16 clients", "requests/s", "ours & theirs", sample)
    figures.add("hello", "16 clients", "requests/s", "<peer>", 1.0)
    data, chart = save(figures, tmp_path)
    first, second = json.loads(data.read_text())["figures"]
    assert (first["median"], first["samples"]) == (3.0, [2.0, 8.0, 3.0])
    assert second["system"] == "<peer>"
    bars = ET.fromstring(chart.read_text()).findall("{http://www.w3.org/2000/svg}rect")
    widths = [float(bar.attrib["width"]) for bar in bars if "y" in bar.attrib]
    assert widths[0] == pytest.approx(3 * widths[1], rel=0.01)


@pytest.mark.parametrize(
    ("value", "text"), [(2633.4, "2,633"), (0.6123, "0.612"), (12.34, "12.3"), (100, "100")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text

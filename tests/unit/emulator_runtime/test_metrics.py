"""EMF in, Prometheus text out: read back by Prometheus's own parser."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from emulator.logs import Kind
from emulator.metrics import EMF_MARK, Metrics, Type


def _emf(
    metrics: dict[str, tuple[str, Any]],
    dimensions: list[list[str]] | None = None,
    namespace: str = "Shop",
    **values: Any,
) -> str:
    directive = {
        "Namespace": namespace,
        "Dimensions": dimensions if dimensions is not None else [[]],
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
    }
    figures = {name: value for name, (_, value) in metrics.items()}
    root = {"_aws": {"Timestamp": 1_700_000_000_000, "CloudWatchMetrics": [directive]}}
    return json.dumps({**root, **values, **figures})


def _samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return _samples(metrics).get((name, frozenset(labels.items())))


def test_counts_add_up() -> None:
    metrics = Metrics()
    for _ in range(3):
        line = _emf({"OrdersPlaced": ("Count", 2)}, [["service"]], service="checkout")
        assert EMF_MARK in line
        metrics.emf(line)
    assert _value(metrics, "shop_orders_placed_total", service="checkout") == 6


def test_times_are_histograms_in_seconds() -> None:
    metrics = Metrics()
    metrics.emf(_emf({"Latency": ("Milliseconds", [3, 80, 40_000])}))
    assert _value(metrics, "shop_latency_seconds_count") == 3
    assert _value(metrics, "shop_latency_seconds_sum") == pytest.approx(40.083)
    assert _value(metrics, "shop_latency_seconds_bucket", le="0.005") == 1
    assert _value(metrics, "shop_latency_seconds_bucket", le="30.0") == 2
    assert _value(metrics, "shop_latency_seconds_bucket", le="+Inf") == 3


def test_sizes_are_summaries_in_bytes_and_the_rest_gauges() -> None:
    metrics = Metrics()
    metrics.emf(_emf({"Body": ("Kilobytes", 2), "Depth": ("None", -3), "Used": ("Percent", 40)}))
    assert _value(metrics, "shop_body_bytes_sum") == 2_000
    assert _value(metrics, "shop_depth") == -3
    assert _value(metrics, "shop_used") == 40


def test_only_the_widest_dimension_sets_are_kept() -> None:
    metrics = Metrics()
    sets = [["service"], ["service", "operation"], ["region"]]
    line = _emf({"Calls": ("Count", 1)}, sets, service="a", operation="b", region="c")
    metrics.emf(line)
    found = {labels for name, labels in _samples(metrics) if name == "shop_calls_total"}
    assert found == {
        frozenset({("service", "a"), ("operation", "b")}),
        frozenset({("region", "c")}),
    }


def test_what_labels_may_hold() -> None:
    metrics = Metrics()
    odd = 'quote " backslash \\ line\nbreak é'
    metrics.emf(_emf({"Calls": ("Count", 1)}, [["Ser vice", "le"]], **{"Ser vice": odd, "le": "x"}))
    assert _value(metrics, "shop_calls_total", ser_vice=odd, le_="x") == 1


@pytest.mark.parametrize(
    "line",
    [
        '"_aws"',
        '{"_aws": 1}',
        '{"_aws": {"CloudWatchMetrics": 1}}',
        '{"_aws": {"CloudWatchMetrics": [1, {"Namespace": 1}, {"Namespace": "a"}]}}',
        '{"_aws": {"CloudWatchMetrics": [{"Namespace": "a", "Metrics": [1, {"Name": 1}]}]}}',
        "[" * 100_000 + '"_aws"',
        _emf({"A": ("Count", "many")}),
        _emf({"A": ("Count", True)}),
        _emf({"A": ("Count", -1)}),
        _emf({"A": ("Count", None)}),
        _emf({"A": ("Count", 10**400)}),
        _emf({"A": ("Count", float("nan"))}),
    ],
)
def test_what_is_no_emf_changes_nothing(line: str) -> None:
    metrics, untouched = Metrics(), Metrics()
    metrics.emf(line)
    assert _samples(metrics) == _samples(untouched)


def test_series_are_bounded_and_the_first_left_out_is_told() -> None:
    told: list[tuple[str, str]] = []

    def sink(kind: Kind, message: str, *, level: str = "INFO", **_: Any) -> None:
        told.append((level, message))

    metrics = Metrics(sink, max_series=3)
    for number in range(10):
        metrics.emf(_emf({"Calls": ("Count", 1)}, [["id"]], id=str(number)))
    metrics.emf(_emf({"Calls": ("Count", 1)}, [["id"]], id="0"))
    assert _value(metrics, "shop_calls_total", id="0") == 2
    assert _value(metrics, "shop_calls_total", id="3") is None
    assert _value(metrics, "metrics_left_out_total") == 7
    for number in range(10):
        metrics.emf(_emf({f"Calls{number}": ("Count", 1)}))
    assert "calls9" not in metrics.render().decode()
    assert len(metrics._families) == len(Metrics()._families) + 1
    assert [level for level, _ in told] == ["WARNING"]
    assert "shop_calls_total" in told[0][1]


def test_a_name_keeps_its_type() -> None:
    metrics = Metrics()
    metrics.emf(_emf({"depth_total": ("Count", 1)}))
    metrics.emf(_emf({"depth_total": ("None", 5)}))
    metrics.emf(_emf({"Duration": ("Count", 1)}, namespace="lambda"))
    assert _value(metrics, "shop_depth_total") == 1
    assert _value(metrics, "metrics_left_out_total") == 1


def test_the_emulators_own() -> None:
    metrics = Metrics()
    metrics.invoked("hello", 12.5, failed=False)
    metrics.invoked("hello", 7.5, failed=True)
    metrics.throttled("hello")
    metrics.initialized("hello", 150)
    metrics.read("lambda_environments", Type.GAUGE, "Some", lambda: [((("function", "x"),), 4)])
    assert _value(metrics, "lambda_duration_seconds_count", function="hello") == 2
    assert _value(metrics, "lambda_duration_seconds_sum", function="hello") == pytest.approx(0.02)
    assert _value(metrics, "lambda_errors_total", function="hello") == 1
    assert _value(metrics, "lambda_throttles_total", function="hello") == 1
    assert _value(metrics, "lambda_init_duration_seconds_count", function="hello") == 1
    assert _value(metrics, "lambda_environments", function="x") == 4

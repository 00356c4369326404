"""What functions and the emulator measure, as Prometheus text.

Functions print metrics in CloudWatch's embedded metric format (EMF); Lambda's CloudWatch would
turn them into metrics by the same lines. Sources: CloudWatch user guide, "Specification: Embedded
metric format"; Prometheus, "Exposition formats" (text format 0.0.4).
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from emulator.logs import Kind, LogSink

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
MAX_SERIES = 2_000
EMF_MARK = '"_aws"'
"""Found in every EMF line, and hardly in any other."""

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_MAX_LABELS = 30  # CloudWatch's limit for the dimensions of one metric
_MAX_ITEMS = 100  # EMF's limit for the metrics of a directive and for the values of a metric
_SCALES = {
    "Seconds": ("seconds", 1.0),
    "Milliseconds": ("seconds", 1e-3),
    "Microseconds": ("seconds", 1e-6),
    "Bytes": ("bytes", 1.0),
    "Kilobytes": ("bytes", 1e3),
    "Megabytes": ("bytes", 1e6),
    "Gigabytes": ("bytes", 1e9),
    "Terabytes": ("bytes", 1e12),
}

Labels = tuple[tuple[str, str], ...]


class Type(StrEnum):
    """Prometheus's metric types that are used here."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"


@dataclass(slots=True)
class _Series:
    """One label set's figures; `total` is the value of a counter or gauge, else the sum."""

    total: float = 0.0
    count: int = 0
    buckets: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Family:
    """All series of one metric name."""

    type: Type
    help: str
    series: dict[Labels, _Series] = field(default_factory=dict)


class Metrics:
    """Counts what it is told and renders it; bounded, whatever functions print."""

    def __init__(self, sink: LogSink | None = None, max_series: int = MAX_SERIES) -> None:
        """`sink` is told once when there are more than `max_series` series."""
        self._sink = sink
        self._max_series = max_series
        self._families: dict[str, _Family] = {}
        self._readings: dict[str, tuple[Type, str, _Collect]] = {}
        self._series = 0
        self._left_out = 0
        for name, kind, text in _OWN:
            self._families[name] = _Family(kind, text)

    # -- the emulator's own

    def invoked(self, function: str, duration_ms: float, *, failed: bool) -> None:
        """Count one invocation that ran, and how long it took."""
        labels = (("function", function),)
        self._record("lambda_duration_seconds", labels, duration_ms / 1000)
        if failed:
            self._record("lambda_errors_total", labels, 1)

    def throttled(self, function: str) -> None:
        """Count one invocation that was refused for want of concurrency."""
        self._record("lambda_throttles_total", (("function", function),), 1)

    def initialized(self, function: str, init_ms: float) -> None:
        """Count one cold start."""
        self._record("lambda_init_duration_seconds", (("function", function),), init_ms / 1000)

    def read(self, name: str, kind: Type, text: str, collect: _Collect) -> None:
        """Add figures that are read when they are asked for: pairs of labels and value."""
        self._readings[name] = (kind, text, collect)

    # -- functions' EMF

    def emf(self, line: str) -> None:
        """Take a line of output if it is EMF; what is malformed is left out, as CloudWatch does."""
        try:
            document = json.loads(line)
            directives = document["_aws"]["CloudWatchMetrics"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return
        if isinstance(directives, list):
            for directive in directives[:_MAX_ITEMS]:
                if isinstance(directive, dict):
                    self._directive(document, directive)

    def _directive(self, document: dict[str, Any], directive: dict[str, Any]) -> None:
        namespace, metrics = directive.get("Namespace"), directive.get("Metrics")
        if not isinstance(namespace, str) or not isinstance(metrics, list):
            return
        label_sets = [
            tuple(sorted((_label(name), _text(document.get(name))) for name in names))
            for names in _widest(directive.get("Dimensions"))
        ]
        for metric in metrics[:_MAX_ITEMS]:
            if isinstance(metric, dict) and isinstance(metric.get("Name"), str):
                values = _values(document.get(metric["Name"]))
                unit = str(metric.get("Unit", "None"))
                self._take(namespace, metric["Name"], unit, label_sets, values)

    def _take(
        self,
        namespace: str,
        metric: str,
        unit: str,
        label_sets: Iterable[Labels],
        values: Iterable[float],
    ) -> None:
        suffix, scale = _SCALES.get(unit, ("", 1.0))
        if unit == "Count":
            kind, suffix = Type.COUNTER, "total"
        elif suffix:
            kind = Type.HISTOGRAM if suffix == "seconds" else Type.SUMMARY
        else:
            kind = Type.GAUGE
        name = _snake(f"{namespace}_{metric}")
        if suffix and not name.endswith(f"_{suffix}"):
            name = f"{name}_{suffix}"
        family = self._families.get(name)
        if family is None:
            if self._is_full(name):
                return
            family = self._families[name] = _Family(kind, f"{metric} of {namespace} ({unit})")
        if family.type is not kind:
            self._leave_out(f"{name} is a {family.type} already")
            return
        for labels in label_sets:
            for value in values:
                if kind is Type.GAUGE or value >= 0:
                    self._record(name, labels, value * scale)

    # -- both

    def _record(self, name: str, labels: Labels, value: float) -> None:
        family = self._families[name]
        series = family.series.get(labels)
        if series is None:
            if self._is_full(name):
                return
            self._series += 1
            series = family.series[labels] = _Series()
            if family.type is Type.HISTOGRAM:
                series.buckets = [0] * (len(_BUCKETS_S) + 1)
        if family.type is Type.GAUGE:
            series.total = value
            return
        series.total += value
        series.count += 1
        if series.buckets:
            series.buckets[bisect_left(_BUCKETS_S, value)] += 1

    def _is_full(self, name: str) -> bool:
        if self._series < self._max_series:
            return False
        self._leave_out(f"there are {self._series} series already; {name} would be more")
        return True

    def _leave_out(self, reason: str) -> None:
        self._left_out += 1
        if self._left_out == 1 and self._sink is not None:
            text = f"metrics: {reason}; such values are left out (metrics_left_out_total counts)"
            self._sink(Kind.PLATFORM, text, level="WARNING")

    def render(self) -> bytes:
        """Return everything in Prometheus's text format 0.0.4."""
        lines: list[str] = []
        for name, family in self._families.items():
            if family.series:
                lines += _head(name, family.type, family.help)
                for labels, series in family.series.items():
                    lines += _body(name, family.type, labels, series)
        for name, (kind, text, collect) in self._readings.items():
            lines += _head(name, kind, text)
            lines += [f"{name}{_braces(labels)} {_number(value)}" for labels, value in collect()]
        lines += _head("metrics_left_out_total", Type.COUNTER, "Values beyond the limit of series")
        lines.append(f"metrics_left_out_total {self._left_out}")
        return ("\n".join(lines) + "\n").encode()


_Collect = Callable[[], Iterable[tuple[Labels, float]]]
_OWN = (
    ("lambda_duration_seconds", Type.HISTOGRAM, "Invocations that ran, by duration"),
    ("lambda_errors_total", Type.COUNTER, "Invocations that ended in a function error"),
    ("lambda_throttles_total", Type.COUNTER, "Invocations refused for want of concurrency"),
    ("lambda_init_duration_seconds", Type.HISTOGRAM, "Cold starts, by the duration of INIT"),
)


def _widest(dimensions: Any) -> list[list[str]]:
    """The dimension sets that are not part of another: Prometheus adds those up by itself."""
    sets = [
        names[:_MAX_LABELS]
        for names in (dimensions[:_MAX_ITEMS] if isinstance(dimensions, list) else [])
        if isinstance(names, list) and all(isinstance(name, str) for name in names)
    ]
    return [a for a in sets if not any(set(a) < set(b) for b in sets)] or [list[str]()]


def _values(given: Any) -> list[float]:
    values = given if isinstance(given, list) else [given]
    return [
        float(value)
        for value in values[:_MAX_ITEMS]
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e308
        and math.isfinite(value)
    ]


def _text(value: Any) -> str:
    return value[:1024] if isinstance(value, str) else "" if value is None else json.dumps(value)


def _snake(name: str) -> str:
    """A metric name as Prometheus writes them: `PaymentsAuthorized` is payments_authorized."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name[:512])
    clean = re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_") or "metric"
    return clean if clean[0].isalpha() else f"_{clean}"


def _label(name: str) -> str:
    clean = _snake(name)
    return f"{clean}_" if clean in {"le", "quantile"} else clean


def _head(name: str, kind: Type, text: str) -> list[str]:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return [f"# HELP {name} {escaped}", f"# TYPE {name} {kind}"]


def _body(name: str, kind: Type, labels: Labels, series: _Series) -> list[str]:
    if kind in (Type.COUNTER, Type.GAUGE):
        return [f"{name}{_braces(labels)} {_number(series.total)}"]
    lines, below = [], 0
    for edge, count in zip((*_BUCKETS_S, math.inf), series.buckets, strict=False):
        below += count
        edge_text = "+Inf" if edge == math.inf else repr(edge)
        lines.append(f"{name}_bucket{_braces((*labels, ('le', edge_text)))} {below}")
    lines.append(f"{name}_sum{_braces(labels)} {_number(series.total)}")
    lines.append(f"{name}_count{_braces(labels)} {series.count}")
    return lines


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)

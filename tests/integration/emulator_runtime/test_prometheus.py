"""What functions print as metrics, scraped as Prometheus does."""

from __future__ import annotations

import json

import httpx
from prometheus_client.parser import text_string_to_metric_families

from emulator.logs import Kind
from tests.emulator_harness import LogKeeper, hello_app, running


async def test_metrics_of_functions_and_of_lambda(logs: LogKeeper) -> None:
    async with running(hello_app(), logs) as emulator, httpx.AsyncClient(timeout=60) as client:
        for kind in ("measure", "measure", "fail"):
            payload = json.dumps({"kind": kind}).encode()
            await emulator.runtime.invoke("mishap", payload)
        answer = await client.get(f"{emulator.lambda_url}/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["shop_orders_placed_total", "checkout"] == 6
    assert found["shop_wait_seconds_sum", "checkout"] == 0.5
    assert found["lambda_duration_seconds_count", "mishap"] == 3
    assert found["lambda_errors_total", "mishap"] == 1
    assert found["lambda_init_duration_seconds_count", "mishap"] == 1
    assert found["lambda_environments", "mishap"] == 1
    assert found["lambda_concurrency", "mishap"] == 0
    passed_on = [text for text in logs.texts(Kind.FUNCTION) if '"_aws"' in text]
    assert len(passed_on) == 2, "the lines stay in the log"

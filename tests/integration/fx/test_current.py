"""The rates of now: shared through Valkey for five minutes of business, and never too old."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from paywright import wiring
from paywright.cache import Cache
from paywright.errors import FxRateUnavailable
from paywright.fx.current import CurrentRates
from paywright.fx.live import LiveRates
from paywright.fx.reference import ReferenceRates
from paywright.money import Currency
from paywright.payments.ports import RateSource
from paywright.settings import Settings
from tests.integration.fx.conftest import START, MovableClock, answer, table
from tests.receivers import Receiver

EUR, USD, AED, SAR = (Currency.of(code) for code in ("eur", "usd", "aed", "sar"))
NewRates = Callable[..., CurrentRates]


@pytest.fixture
def new_rates(provider: Receiver, cache: Cache, clock: MovableClock) -> NewRates:
    """Makes what an execution environment has: each with its own memory."""

    def make(cache: Cache = cache, max_age: timedelta = timedelta(hours=72)) -> CurrentRates:
        return CurrentRates(
            LiveRates(provider.url, clock, timeout_s=2), cache, clock, max_age=max_age
        )

    return make


@pytest.fixture
def nowhere() -> Iterator[Cache]:
    made = Cache("redis://127.0.0.1:1", timeout_ms=50)
    yield made
    made.close()


def usd(rates: RateSource) -> Decimal:
    return rates.rate(EUR, USD).value


def test_environments_share_one_answer_for_five_minutes(
    provider: Receiver, new_rates: NewRates, clock: MovableClock
) -> None:
    provider.replies.extend([answer(table("1.1")), answer(table("1.2"))])
    first, second = new_rates(), new_rates()
    assert usd(first) == Decimal("1.1")
    clock.advance(minutes=4, seconds=59)
    assert usd(second) == Decimal("1.1")
    clock.advance(seconds=1)  # over for both: what the second took over is no younger
    assert (usd(second), usd(first)) == (Decimal("1.2"), Decimal("1.2"))
    assert len(provider.received) == 2


def test_without_valkey_each_environment_asks_for_itself(
    provider: Receiver, new_rates: NewRates, nowhere: Cache, clock: MovableClock
) -> None:
    provider.replies.extend([answer(table("1.1")), answer(table("1.2")), answer(table("1.3"))])
    first, second = new_rates(nowhere), new_rates(nowhere)
    assert [usd(first), usd(second), usd(first)] == [Decimal("1.1"), Decimal("1.2"), Decimal("1.1")]
    clock.advance(minutes=5)
    assert usd(first) == Decimal("1.3")


@pytest.mark.parametrize("kept", ["nonsense", "99999999999999 {", '99999999999999 {"base": 1}'])
def test_what_cannot_be_read_in_valkey_counts_as_not_there(
    provider: Receiver, new_rates: NewRates, cache: Cache, kept: str
) -> None:
    cache.set(cache.key("fx", f"127.0.0.1:{provider.port}"), kept, ttl_ms=60_000)
    provider.replies.append(answer(table("1.1")))
    assert usd(new_rates()) == Decimal("1.1")


def test_a_rate_that_is_too_old_is_none(
    provider: Receiver, new_rates: NewRates, clock: MovableClock
) -> None:
    provider.replies.extend([answer(table(at=START - timedelta(hours=24)))] * 2)
    rates = new_rates(max_age=timedelta(hours=24))
    assert usd(rates) == Decimal("1.1172")
    clock.advance(seconds=1)
    with pytest.raises(FxRateUnavailable, match="of 2026-11-24 12:00 UTC, which is too old"):
        usd(rates)
    assert rates.rate(USD, AED).source == "peg"  # which holds as of now


def test_while_the_provider_is_away_its_last_table_serves_until_it_is_too_old(
    provider: Receiver,
    new_rates: NewRates,
    clock: MovableClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.replies.append(answer(table("1.1")))
    first, later = new_rates(), new_rates()
    assert usd(first) == Decimal("1.1")
    clock.advance(minutes=6)
    assert [usd(first), usd(first)] == [Decimal("1.1")] * 2
    assert len(caplog.records) == 1, "the log has a line when it begins"
    assert len(provider.received) == 2, "it is not asked again at once"
    clock.advance(seconds=5)
    assert usd(first) == Decimal("1.1")
    assert len(provider.received) == 3
    clock.advance(hours=71, minutes=53, seconds=55)
    assert usd(later) == Decimal("1.1"), "environments that come later have it of Valkey"
    clock.advance(seconds=1)
    for rates in (first, later, new_rates()):
        with pytest.raises(FxRateUnavailable, match="of 2026-11-25 12:00 UTC, which is too old"):
            usd(rates)
    provider.replies.extend([answer(table("1.2", clock.now()))] * 3)
    assert usd(new_rates()) == Decimal("1.2")
    clock.advance(seconds=5)
    assert usd(later) == Decimal("1.2")


def test_what_the_table_lists_goes_by_no_peg_however_old_it_is(
    provider: Receiver, new_rates: NewRates, clock: MovableClock
) -> None:
    listed = table()
    listed["rates"] |= {"sar": "5.02740"}
    provider.replies.append(answer(listed))
    rates = new_rates()
    assert rates.rate(USD, SAR).value == Decimal("4.5")
    clock.advance(hours=72, seconds=1)  # from now on the receiver's own, empty answer
    for each in (rates, new_rates()):
        with pytest.raises(FxRateUnavailable, match="usd to sar is of 2026-11-25 12:00 UTC, which"):
            each.rate(USD, SAR)
        with pytest.raises(FxRateUnavailable, match="too old"):
            each.rate(AED, SAR)
        assert each.rate(USD, AED).source == "peg"


def test_a_table_older_than_the_last_one_is_not_taken(
    provider: Receiver, new_rates: NewRates, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    behind = answer(table("1.0", START - timedelta(hours=80)))
    provider.replies.extend([answer(table("1.1")), behind])
    rates = new_rates()
    assert usd(rates) == Decimal("1.1")
    clock.advance(minutes=5)
    assert [usd(rates), usd(new_rates())] == [Decimal("1.1")] * 2
    assert len(provider.received) == 2, "it is the latest for all, until it is time to ask again"
    (told,) = caplog.records
    assert vars(told)["given_at"] == "2026-11-22T04:00:00.000Z"
    provider.replies.append(answer(table("1.2", clock.now())))
    clock.advance(minutes=5)
    assert usd(rates) == Decimal("1.2")


def test_an_older_table_in_valkey_is_not_taken_either(
    provider: Receiver, new_rates: NewRates, cache: Cache, clock: MovableClock
) -> None:
    at = START - timedelta(microseconds=1)  # finer than Valkey keeps it
    provider.replies.append(answer(table("1.1", at)))
    rates = new_rates()
    assert usd(rates) == Decimal("1.1")
    clock.advance(minutes=4)
    cache.send(("DEL", cache.key("fx", f"127.0.0.1:{provider.port}")))
    provider.replies.append(answer(table("1.0", START - timedelta(hours=48))))
    assert usd(new_rates()) == Decimal("1.0"), "it knows no other"
    clock.advance(minutes=1)
    provider.replies.append(answer(table("1.1", at)))
    assert usd(rates) == Decimal("1.1")
    clock.advance(minutes=4)
    assert usd(new_rates()) == Decimal("1.1"), "it is mended for all"
    assert len(provider.received) == 3
    clock.advance(minutes=1)
    provider.replies.append(answer(table("1.3", at)))
    assert usd(new_rates()) == Decimal("1.3")
    assert usd(rates) == Decimal("1.3"), "of the same moment, and fetched later"
    assert len(provider.received) == 4


def test_valkey_keeps_a_table_no_longer_than_it_can_serve(
    provider: Receiver, new_rates: NewRates, cache: Cache
) -> None:
    provider.replies.append(answer(table("1.1")))
    usd(new_rates(max_age=timedelta(hours=72)))
    (left_ms,) = cache.send(("PTTL", cache.key("fx", f"127.0.0.1:{provider.port}")))
    assert 71 * 3_600_000 < left_ms <= 72 * 3_600_000


def test_without_valkey_an_environment_keeps_its_own_last_table(
    provider: Receiver, new_rates: NewRates, nowhere: Cache, clock: MovableClock
) -> None:
    provider.replies.append(answer(table("1.1")))
    rates = new_rates(nowhere)
    assert usd(rates) == Decimal("1.1")
    clock.advance(hours=1)
    assert usd(rates) == Decimal("1.1")


def test_a_peg_needs_no_provider(new_rates: NewRates, clock: MovableClock) -> None:
    rates = new_rates()  # the receiver's own answer is an empty one
    found = rates.rate(AED, USD)
    assert (found.value, found.source, found.at) == (
        Decimal("0.272294077604"),
        "peg",
        clock.now(),
    )
    with pytest.raises(FxRateUnavailable):
        rates.rate(AED, EUR)


def test_environments_leave_a_failing_provider_alone_together(
    provider: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FX_RATES_URL", provider.url)
    provider.replies.extend([answer({}, code=500)] * 10)
    platforms = [wiring.assemble(Settings()) for _ in range(2)]
    try:
        for each in (platforms[0],) * 5 + (platforms[1],):
            with pytest.raises(FxRateUnavailable):
                usd(each.payments.rates)
        assert len(provider.received) == 5
    finally:
        for each in platforms:
            each.cache.close()


def test_a_failure_is_not_kept(
    provider: Receiver, new_rates: NewRates, clock: MovableClock
) -> None:
    rates = new_rates()
    with pytest.raises(FxRateUnavailable):  # the receiver's own answer is an empty one
        usd(rates)
    provider.replies.append(answer(table("1.1")))
    assert usd(rates) == Decimal("1.1")


def test_the_bundled_rates_are_the_ecbs(cache: Cache, clock: MovableClock) -> None:
    rates = CurrentRates(ReferenceRates(), cache, clock, max_age=timedelta(days=3650))
    found = rates.rate(EUR, USD)
    assert found.source == "ecb"
    assert Decimal("0.5") < found.value < Decimal(2)
    assert found.at < START
    for code in ("jpy", "gbp", "chf", "aed", "bhd", "jod"):
        assert rates.rate(Currency.of(code), USD).value > 0
    for code in ("kwd", "rub", "clf"):
        with pytest.raises(FxRateUnavailable, match=f"no exchange rate from {code} to usd"):
            rates.rate(Currency.of(code), USD)


def test_the_bundled_rates_are_too_old_for_production(cache: Cache, settings: Settings) -> None:
    strict = timedelta(hours=Settings.model_fields["fx_rate_max_age_h"].default)
    clock = MovableClock()
    rates = CurrentRates(ReferenceRates(), cache, clock, max_age=strict)
    clock.time = ReferenceRates().table().at + strict + timedelta(seconds=1)
    with pytest.raises(FxRateUnavailable, match="too old"):
        rates.rate(EUR, USD)


def test_production_asks_for_https(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FX_RATES_URL", "http://rates.example/latest")
    assert Settings().fx_rates_url is not None
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("WEBHOOK_ALLOW_LOOPBACK", "false")
    with pytest.raises(ValueError, match="FX_RATES_URL must start with https://"):
        Settings()
    monkeypatch.setenv("FX_RATES_URL", "https://rates.example/latest")
    assert "rates.example" not in repr(Settings())

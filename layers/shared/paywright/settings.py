"""Everything that can be set from outside: one frozen model, read once, passed in.

Each field is an environment variable of the same name in capitals, set on the functions by
`template.yaml` and nowhere else.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from paywright.fees import SIMULATED_COSTS, CostPlan
from paywright.money import MAX_AMOUNT_MINOR, Currency


class LogSettings(BaseSettings):
    """What says how loud a function is, and what it is called; AWS_LAMBDA_LOG_LEVEL is Lambda's."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    log_level: str = "INFO"
    aws_lambda_log_level: str | None = None
    powertools_service_name: str = "service_undefined"
    powertools_metrics_namespace: str = "Paywright"


class Settings(BaseSettings):
    """The settings of one function.

    A secret is given by value (a laptop) or by the ARN of a Secrets Manager secret (AWS), never
    both. `ValueError` says what is missing or unsafe, before anything is served.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    environment: Literal["local", "production"] = "production"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    database_url: SecretStr | None = None
    database_secret_arn: str | None = None
    database_pooler: bool = Field(
        default=False, description="Behind RDS Proxy or PgBouncer: no prepared statements."
    )
    database_connect_timeout_s: int = Field(default=5, ge=1, le=60)
    database_statement_timeout_ms: int = Field(default=5_000, ge=100, le=60_000)
    valkey_url: SecretStr
    valkey_timeout_ms: int = Field(default=250, ge=10, le=5_000)
    pii_key: SecretStr | None = Field(
        default=None, description="Encrypts names, e-mail addresses and webhook secrets at rest."
    )
    pii_key_secret_arn: str | None = None

    clock_file: str | None = Field(
        default=None, description="Holds how far business time is ahead; a laptop's only."
    )

    event_bus_name: str = "payment-events"
    webhook_dead_letter_queue_url: str | None = None
    webhook_timeout_s: float = Field(default=10, gt=0, le=10)
    webhook_allow_loopback: bool = False

    notifications_from: str | None = Field(
        default=None, description="The address that e-mails to merchants are sent from."
    )
    notifications_queue_url: str | None = None

    processor_timeout_s: float = Field(default=5, gt=0, le=20)
    processor_costs: tuple[CostPlan, ...] = Field(
        default=SIMULATED_COSTS,
        description="What processors keep of captures, as JSON (docs/ledger.md).",
    )
    simulator_latency_ms: int = Field(
        default=0, ge=0, le=20_000, description="How long the simulated processors take to answer."
    )
    simulator_failure_rate: float = Field(
        default=0, ge=0, le=1, description="The part of their requests that get no answer in time."
    )
    simulator_notice_after_s: int = Field(
        default=3_600, ge=1, description="Business time until a test card's refund ends."
    )
    ach_business_days: int = Field(
        default=4, ge=1, le=30, description="Until a simulated ACH debit is confirmed or returned."
    )
    sepa_business_days: int = Field(default=2, ge=1, le=30, description="The same for SEPA.")
    fx_rates_url: SecretStr | None = Field(
        default=None, description="Where live rates come from; without it the ECB's bundled ones."
    )
    fx_rates_timeout_s: float = Field(default=2, gt=0, le=10)
    fx_rate_max_age_h: int = Field(
        default=72, ge=1, le=876_000, description="An older rate is none: nothing is captured."
    )
    fraud_budget_ms: int = Field(default=50, ge=1, le=1_000)
    rate_limit_per_min: int = Field(default=100, ge=1)
    recovery_margin_s: int = Field(
        default=60, ge=1, description="Beyond all timeouts, before an unknown outcome is looked up."
    )

    @model_validator(mode="after")
    def _safe(self) -> Settings:
        for value, arn in (
            ("database_url", "database_secret_arn"),
            ("pii_key", "pii_key_secret_arn"),
        ):
            if (getattr(self, value) is None) == (getattr(self, arn) is None):
                raise ValueError(f"set exactly one of {value.upper()} and {arn.upper()}")
        _check_costs(self.processor_costs)
        if self.environment == "production" and self.webhook_allow_loopback:
            raise ValueError("WEBHOOK_ALLOW_LOOPBACK is for local mode only")
        rates = self.fx_rates_url and self.fx_rates_url.get_secret_value()
        if self.environment == "production" and rates and not rates.startswith("https://"):
            raise ValueError("FX_RATES_URL must start with https:// (http is for local mode only)")
        if self.environment == "production" and self.clock_file is not None:
            raise ValueError("CLOCK_FILE is for local mode only")
        if self.environment == "production" and (
            self.simulator_latency_ms or self.simulator_failure_rate
        ):
            raise ValueError(
                "SIMULATOR_LATENCY_MS and SIMULATOR_FAILURE_RATE are for local mode only"
            )
        return self


def _check_costs(plans: tuple[CostPlan, ...]) -> None:
    """Raise ValueError for a plan that cannot be meant."""
    seen = set()
    for plan in plans:
        where = f"PROCESSOR_COSTS: {plan.processor}, {plan.method_type}, {plan.currency}"
        if plan.method_type not in {"card", "bank_account"}:
            raise ValueError(f"{where}: method_type is card or bank_account")
        amounts = (plan.fixed_amount, plan.at_most or 0)
        if not 0 <= plan.basis_points <= 10_000:
            raise ValueError(f"{where}: basis_points are 0 to 10000")
        if not all(0 <= amount <= MAX_AMOUNT_MINOR for amount in amounts):
            raise ValueError(f"{where}: amounts are 0 to {MAX_AMOUNT_MINOR}")
        if plan.currency == "*" and (plan.fixed_amount or plan.at_most is not None):
            # 30 would be $0.30 and ¥30 and 0.030 dinars at once.
            raise ValueError(
                f"{where}: fixed_amount and at_most need a currency; * has a share only"
            )
        if plan.currency != "*" and Currency.of(plan.currency).code != plan.currency:
            raise ValueError(f"{where}: write the currency in small letters")
        key = (plan.processor, plan.method_type, plan.currency)
        if key in seen:
            raise ValueError(f"{where}: there are two plans")
        seen.add(key)

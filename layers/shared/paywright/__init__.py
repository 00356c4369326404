"""Paywright: payments, a double-entry ledger and signed webhooks on Lambda and PostgreSQL."""

__version__ = "0.1.0"

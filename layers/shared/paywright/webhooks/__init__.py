"""Webhooks: events to merchants' endpoints, signed."""

"""API Gateway: HTTP APIs with payload format 2.0."""

from emulator.gateway.server import Gateway

__all__ = ["Gateway"]

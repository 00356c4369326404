"""What AWS has no API for: the clock, schedules run by hand, metrics."""

from emulator.control.control import Control

__all__ = ["Control"]

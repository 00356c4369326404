"""Schedules of EventBridge Scheduler and scheduled rules, fired by the emulator."""

from emulator.schedules.schedules import Schedules, start

__all__ = ["Schedules", "start"]

"""Schedules of EventBridge Scheduler and scheduled rules, fired by the emulator."""

from emulator.cron.timing import TooMany
from emulator.schedules.memory import Memory
from emulator.schedules.schedules import Schedules, UnknownSchedule, as_switched, start

__all__ = ["Memory", "Schedules", "TooMany", "UnknownSchedule", "as_switched", "start"]

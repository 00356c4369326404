"""Schedules of EventBridge Scheduler and scheduled rules, fired by the emulator."""

from emulator.schedules.memory import Memory
from emulator.schedules.schedules import Schedules, UnknownSchedule, as_switched, start
from emulator.schedules.timing import TooMany

__all__ = ["Memory", "Schedules", "TooMany", "UnknownSchedule", "as_switched", "start"]

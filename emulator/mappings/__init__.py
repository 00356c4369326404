"""SQS event source mappings: queues' messages, in batches, to functions."""

from emulator.mappings.mappings import Mappings, start

__all__ = ["Mappings", "start"]

"""The local AWS endpoint: `python -m emulator.aws_server`.

One process and one port. SQS is our own (`sqs`); MiniStack serves the rest, with these changes:
Schedules are stored, not fired: the emulator fires them, on time and with what AWS fills in, so
that nothing fires twice. Queues, rules and schedules outlive the process however it ends. Paths
under `/_emulator/` tell what AWS has no call for. The health endpoint's `edition` says that it is
this one. Settings are MiniStack's own environment variables.
"""

EDITION = "emulator"

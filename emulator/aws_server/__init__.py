"""The local AWS endpoint: `python -m emulator.aws_server`.

One process and one port. What differs from MiniStack, which serves most of it:
Schedules are stored, not fired: the emulator fires them, on time and with what AWS fills in, so
that nothing fires twice. Paths under `/_emulator/` tell what AWS has no call for. The health
endpoint's `edition` says which of the two it is. Its settings are MiniStack's own environment
variables.
"""

EDITION = "emulator"

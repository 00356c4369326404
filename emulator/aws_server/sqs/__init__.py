"""Amazon SQS: queues in memory with an index for every question asked of them, and a journal.

`queue` and `lines` know nothing of time or network: they take the time as an argument. `store`
holds all queues, `actions` are the API's, `service` speaks its two protocols.

Source of what it does: Amazon SQS API Reference and Developer Guide, and recordings of AWS
published by LocalStack's authors with their tests (`tests/aws/services/sqs`), where the
documentation has no wording.
"""

from emulator.aws_server.sqs.journal import open_journal
from emulator.aws_server.sqs.service import SqsService
from emulator.aws_server.sqs.store import Store

__all__ = ["SqsService", "Store", "open_journal"]

"""Says to PostgreSQL and Valkey what an authorization says, thinks nothing, answers the same."""

import json
import os
import pickle
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from paywright.cache.wire import Wire
from paywright.clock import SystemClock
from paywright.db.prepared import Session
from paywright.ids import UuidSource

KEPT = pickle.loads(Path(os.environ["MESSAGES"]).read_bytes())
CONNECTION = psycopg.connect(KEPT["database_url"], autocommit=True, row_factory=dict_row)
SESSION = Session(CONNECTION, prepare=True, timeout_s=10)
WIRE = Wire(KEPT["valkey_url"], 1.0)
IDS = UuidSource(SystemClock())
ANSWER = {
    "statusCode": 201,
    "headers": {"content-type": "application/json"},
    "body": json.dumps({"object": "payment", "text": "x" * 800}),
}
LINE = json.dumps({"level": "INFO", "message": "request", "text": "x" * 150})


def handler(event, context):
    """One authorization."""
    for message in KEPT["script"].anew(IDS.new):
        if message.method in ("send", "post"):
            assert WIRE.is_usable()
            getattr(WIRE, message.method)(*message.arguments)
        else:
            assert SESSION.usable
            getattr(SESSION, message.method)(*message.arguments)
    print(LINE, flush=True)
    return ANSWER

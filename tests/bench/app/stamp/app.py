"""Says how long ago its message was sent: the body is the sender's time."""

import time


def handler(event, context):
    now = time.time()
    for record in event["Records"]:
        print(f"delay_ms={(now - float(record['body'])) * 1000:.3f}")

"""Stays long enough that every request of a burst needs an environment of its own."""

import time


def handler(event, context):
    time.sleep(6)
    return {"statusCode": 200, "body": "awake"}

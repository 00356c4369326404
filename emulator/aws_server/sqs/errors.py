"""SQS's errors, by the names that its two protocols give them."""

from __future__ import annotations

_LEGACY_PREFIX = "AWS.SimpleQueueService."
_PREFIXED = frozenset(
    {
        "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong",
        "EmptyBatchRequest",
        "InvalidBatchEntryId",
        "MessageNotInflight",
        "PurgeQueueInProgress",
        "TooManyEntriesInBatchRequest",
        "UnsupportedOperation",
    }
)
_OTHER_CODES = {
    "QueueDoesNotExist": _LEGACY_PREFIX + "NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "InvalidParameterValueException": "InvalidParameterValue",
    "MissingRequiredParameterException": "MissingParameter",
}


class SqsError(Exception):
    """An answer other than success.

    `shape` is the JSON protocol's name, `code` the query protocol's, which SDKs show.
    """

    def __init__(self, shape: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.shape = shape
        self.message = message
        self.status = status

    @property
    def code(self) -> str:
        """The name that clients know the error by."""
        if self.shape in _PREFIXED:
            return _LEGACY_PREFIX + self.shape
        return _OTHER_CODES.get(self.shape, self.shape)

    @property
    def is_sender_fault(self) -> bool:
        """Whether repeating the request is pointless."""
        return self.status < 500


def invalid(message: str) -> SqsError:
    """Return the error for a bad parameter, in AWS's own words."""
    return SqsError("InvalidParameterValueException", message)


def invalid_value(value: object, parameter: str, reason: str) -> SqsError:
    """Return the error for a bad parameter, worded as AWS words most of them."""
    return invalid(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def missing(parameter: str) -> SqsError:
    """Return the error for a parameter that is not there."""
    return SqsError(
        "MissingRequiredParameterException",
        f"The request must contain the parameter {parameter}.",
    )


def no_such_queue() -> SqsError:
    """Return the error for a queue that is not there."""
    return SqsError("QueueDoesNotExist", "The specified queue does not exist.")

"""Lambda's Invoke API, as boto3 and the AWS command line use it."""

from emulator.invoke_api.server import InvokeApi

__all__ = ["InvokeApi"]

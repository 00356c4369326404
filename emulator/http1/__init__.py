"""A small HTTP/1.1 server on httptools: what gateway, Runtime API and invoke API share.

One request of a connection is handled at a time, so pipelined requests are answered in order.
Every connection has a deadline for its head, its body, its idle time and for reading answers, so
that a slow client costs a socket and nothing else. Names of headers arrive lower-cased.
"""

from emulator.http1.messages import JSON_TYPE, Handler, Header, Limits, Request
from emulator.http1.server import HttpServer

__all__ = ["JSON_TYPE", "Handler", "Header", "HttpServer", "Limits", "Request"]

"""PostgreSQL: the connection of an execution environment, and SQL by name."""

from paywright.db.connection import Database, Lost, Statement
from paywright.db.sql import Queries, load

__all__ = ["Database", "Lost", "Queries", "Statement", "load"]

"""What must hold of payments and ledger at every moment, whatever happened before."""

from __future__ import annotations

from typing import Any

import psycopg

_MUST_BE_EMPTY = {
    "a journal that does not balance": """
        SELECT journal_id, currency FROM ledger_entries GROUP BY 1, 2
        HAVING sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END) <> 0""",
    "a payment outside 0 <= refunded <= captured <= amount": """
        SELECT id FROM transactions
         WHERE refunded_amount < 0 OR pending_refund_amount < 0
            OR refunded_amount + pending_refund_amount + disputed_amount > captured_amount
            OR captured_amount > amount""",
    "captured amounts that the ledger does not have": """
        SELECT t.id FROM transactions t
          LEFT JOIN ledger_entries e ON e.transaction_id = t.id
               AND e.account_type IN ('processor_receivable', 'processor_cost')
               AND e.entry_type = 'debit'
          LEFT JOIN journals j ON j.id = e.journal_id AND j.kind IN ('authorize', 'capture')
         GROUP BY t.id, t.captured_amount
        HAVING t.captured_amount <> coalesce(sum(e.amount) FILTER (WHERE j.id IS NOT NULL), 0)""",
    "refunded amounts that the ledger does not have": """
        SELECT t.id FROM transactions t
          LEFT JOIN refunds r ON r.transaction_id = t.id
         GROUP BY t.id, t.refunded_amount, t.pending_refund_amount
        HAVING t.refunded_amount
               <> coalesce(sum(r.amount) FILTER (WHERE r.status = 'succeeded'), 0)
            OR t.pending_refund_amount
               <> coalesce(sum(r.amount) FILTER (WHERE r.status = 'pending'), 0)""",
    "a hold that outlives its authorization": """
        SELECT t.id FROM transactions t JOIN ledger_entries e ON e.transaction_id = t.id
           AND e.account_type = 'customer_hold'
         GROUP BY t.id, t.status, t.amount, t.captured_amount
        HAVING sum(CASE e.entry_type WHEN 'debit' THEN e.amount ELSE -e.amount END)
               <> CASE t.status WHEN 'authorized' THEN t.amount - t.captured_amount ELSE 0 END""",
    "a customer who is owed more or less than the pending refunds": """
        SELECT t.id FROM transactions t JOIN ledger_entries e ON e.transaction_id = t.id
           AND e.account_type = 'customer_refund'
         GROUP BY t.id, t.pending_refund_amount
        HAVING -sum(CASE e.entry_type WHEN 'debit' THEN e.amount ELSE -e.amount END)
               <> t.pending_refund_amount""",
    "a refunded payment that did not give back all it was settled for": """
        SELECT id FROM transactions
         WHERE status = 'refunded' AND settlement_refunded_amount <> settlement_amount""",
    "a settled amount or a fee given back that the refunds do not have": """
        SELECT t.id FROM transactions t
          LEFT JOIN refunds r ON r.transaction_id = t.id AND r.status <> 'failed'
         GROUP BY t.id, t.settlement_refunded_amount, t.fee_returned_amount
        HAVING t.settlement_refunded_amount <> coalesce(sum(r.settlement_amount), 0)
            OR t.fee_returned_amount <> coalesce(sum(r.fee_returned_amount), 0)""",
    "more of a fee returned than was taken": """
        SELECT id FROM transactions
         WHERE fee_returned_amount > fee_share_amount OR fee_returned_amount < 0""",
    "a fee account that is not what was taken less what was returned": """
        SELECT t.id FROM transactions t JOIN ledger_entries e ON e.transaction_id = t.id
           AND e.account_type = 'platform_fee'
         GROUP BY t.id, t.fee_share_amount, t.fee_returned_amount
        HAVING -sum(CASE e.entry_type WHEN 'debit' THEN e.amount ELSE -e.amount END)
               < t.fee_share_amount - t.fee_returned_amount""",
    "a payment whose events are not numbered without gaps": """
        SELECT t.id FROM transactions t LEFT JOIN
               (SELECT object_id, sequence FROM outbox UNION ALL
                SELECT object_id, sequence FROM events) AS e ON e.object_id = t.id
         GROUP BY t.id, t.sequence
        HAVING count(e.sequence) <> t.sequence OR coalesce(max(e.sequence), 0) <> t.sequence""",
    "a refund whose events are not numbered without gaps": """
        SELECT r.id FROM refunds r LEFT JOIN
               (SELECT object_id, sequence FROM outbox UNION ALL
                SELECT object_id, sequence FROM events) AS e ON e.object_id = r.id
         GROUP BY r.id, r.version
        HAVING count(e.sequence) <> r.version OR max(e.sequence) <> r.version""",
    "an undecided operation that recovery does not know": """
        SELECT o.id FROM payment_operations o
          LEFT JOIN pending_operations p ON p.operation_id = o.id
         WHERE (o.state = 'pending') <> (p.operation_id IS NOT NULL)""",
    "a key with more than one effect": """
        SELECT idempotency_key FROM payment_operations
         WHERE idempotency_key IS NOT NULL AND state <> 'failed'
         GROUP BY merchant_id, livemode, idempotency_key HAVING count(*) > 1""",
    "a hold whose expiry nobody knows": """
        SELECT t.id FROM transactions t
          LEFT JOIN authorization_expiries x ON x.transaction_id = t.id
         WHERE (t.status = 'authorized') <> (x.transaction_id IS NOT NULL)""",
}


def check(connection: psycopg.Connection[Any]) -> None:
    """Raise AssertionError naming what does not hold, and for which row."""
    for what, sql in _MUST_BE_EMPTY.items():
        broken = connection.execute(sql.encode()).fetchmany(5)
        assert not broken, f"there is {what}: {broken}"

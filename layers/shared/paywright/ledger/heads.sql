-- name: heads
SELECT mode.livemode, head.position, head.row_hash
  FROM (VALUES (false), (true)) AS mode (livemode)
 CROSS JOIN LATERAL (
       SELECT position, row_hash
         FROM ledger_chain
        WHERE merchant_id = %(merchant_id)s AND livemode = mode.livemode
        ORDER BY position DESC
        LIMIT 1) AS head
 ORDER BY mode.livemode;

-- name: accounts
-- Hopping through the index: one probe for each account, one for its last entry.
WITH RECURSIVE accounts AS (
    (SELECT account_type, currency, processor
       FROM ledger_chain
      WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
      ORDER BY account_type, currency, processor
      LIMIT 1)
    UNION ALL
    SELECT next.account_type, next.currency, next.processor
      FROM accounts
     CROSS JOIN LATERAL (
           SELECT account_type, currency, processor
             FROM ledger_chain
            WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
              AND (account_type, currency, processor)
                  > (accounts.account_type, accounts.currency, accounts.processor)
            ORDER BY account_type, currency, processor
            LIMIT 1) AS next
)
SELECT account_type, currency, processor, last.sequence, last.balance_after
  FROM accounts
 CROSS JOIN LATERAL (
       SELECT sequence, balance_after
         FROM ledger_chain
        WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
          AND account_type = accounts.account_type AND currency = accounts.currency
          AND processor = accounts.processor
        ORDER BY sequence DESC
        LIMIT 1) AS last;

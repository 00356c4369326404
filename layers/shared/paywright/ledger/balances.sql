-- fragment: accounts
-- The accounts of a merchant, found by hopping through the index: one probe for each.
accounts AS (
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

-- name: balances
-- One statement sees one snapshot: a journal is either in the chain or on the list, never both and
-- never neither. What waits is asked for as an array: its journals are neighbours, and the index is
-- walked once for all of them. Materialized, it is planned by itself, and hashed rather than sorted.
WITH RECURSIVE
-- include: accounts
, sequenced AS (
    SELECT account_type, currency, processor, head.balance_after
      FROM accounts
     CROSS JOIN LATERAL (
           SELECT balance_after
             FROM ledger_chain
            WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
              AND account_type = accounts.account_type AND currency = accounts.currency
              AND processor = accounts.processor
            ORDER BY sequence DESC
            LIMIT 1) AS head
), waiting AS MATERIALIZED (
    SELECT account_type, currency, processor,
           sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END) AS change
      FROM ledger_entries
     WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
       AND journal_id = ANY (ARRAY(SELECT journal_id FROM ledger_unsequenced
                                    WHERE merchant_id = %(merchant_id)s))
     GROUP BY account_type, currency, processor
)
SELECT account_type, currency, processor,
       coalesce(balance_after, 0) + coalesce(change, 0) AS balance
  FROM sequenced
  FULL JOIN waiting USING (account_type, currency, processor)
 ORDER BY account_type, currency, processor;

-- name: await_sequencer
-- The sequencer takes this lock before it looks at the clock: whoever has had it sees every journal
-- whose moment has passed. It is gone with the statement.
SELECT pg_advisory_xact_lock_shared(hashtext('ledger moment'));

-- name: balances_at
-- An account's entries are numbered without a gap, and their moments never go back: the last one of
-- a moment is found by halving, in some twenty probes of an index, however long ago it was.
WITH RECURSIVE
-- include: accounts
, halving AS (
    SELECT account_type, currency, processor, 0::bigint AS low, head.sequence AS high
      FROM accounts
     CROSS JOIN LATERAL (
           SELECT sequence
             FROM ledger_chain
            WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
              AND account_type = accounts.account_type AND currency = accounts.currency
              AND processor = accounts.processor
            ORDER BY sequence DESC
            LIMIT 1) AS head
    UNION ALL
    SELECT account_type, currency, processor,
           CASE WHEN probe.is_past THEN (low + high + 1) / 2 ELSE low END,
           CASE WHEN probe.is_past THEN high ELSE (low + high + 1) / 2 - 1 END
      FROM halving
     CROSS JOIN LATERAL (
           SELECT (SELECT sequenced_at <= %(as_of)s
                     FROM ledger_chain
                    WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
                      AND account_type = halving.account_type AND currency = halving.currency
                      AND processor = halving.processor
                      AND sequence = (halving.low + halving.high + 1) / 2
                    LIMIT 1) AS is_past
           OFFSET 0) AS probe
     WHERE low < high
)
SELECT account_type, currency, processor, found.balance_after AS balance
  FROM halving
 CROSS JOIN LATERAL (
       SELECT balance_after
         FROM ledger_chain
        WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
          AND account_type = halving.account_type AND currency = halving.currency
          AND processor = halving.processor AND sequence = halving.low
        LIMIT 1) AS found
 WHERE low = high AND low > 0
 ORDER BY account_type, currency, processor;

-- name: balance
SELECT coalesce((
           SELECT balance_after
             FROM ledger_chain
            WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
              AND account_type = %(account_type)s AND currency = %(currency)s
              AND processor = %(processor)s
            ORDER BY sequence DESC
            LIMIT 1), 0)
       + coalesce((
           SELECT sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END)
             FROM ledger_entries
            WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
              AND journal_id = ANY (ARRAY(SELECT journal_id FROM ledger_unsequenced
                                           WHERE merchant_id = %(merchant_id)s))
              AND account_type = %(account_type)s AND currency = %(currency)s
              AND processor = %(processor)s), 0) AS balance;

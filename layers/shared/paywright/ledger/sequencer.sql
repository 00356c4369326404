-- name: lock
-- Two sequencers could read the same heads and fork a chain: whoever comes second leaves. The other
-- lock is what a reader of a past moment waits for; readers have it for no longer than it takes.
SELECT alone, CASE WHEN alone THEN pg_advisory_xact_lock(hashtext('ledger moment')) END
  FROM (SELECT pg_try_advisory_xact_lock(hashtext('ledger sequencer')) AS alone OFFSET 0) AS first;

-- fragment: entries
SELECT taken.merchant_id, taken.journal_id,
       journal.livemode AS journal_livemode,
       journal.transaction_id AS journal_transaction_id,
       journal.kind,
       journal.created_at AS journal_created_at,
       entry.*
  FROM taken
  LEFT JOIN LATERAL (
       SELECT livemode, transaction_id, kind, created_at
         FROM journals
        WHERE merchant_id = taken.merchant_id AND id = taken.journal_id
       OFFSET 0) AS journal ON true
  LEFT JOIN LATERAL (
       SELECT id, transaction_id, livemode, entry_type, account_type, processor, amount, currency,
              created_at
         FROM ledger_entries
        WHERE merchant_id = taken.merchant_id AND journal_id = taken.journal_id
       OFFSET 0) AS entry ON true
 ORDER BY taken.journal_id, taken.merchant_id, entry.id;

-- fragment: first
-- The oldest so many that are not left aside.
SELECT merchant_id, journal_id
  FROM ledger_unsequenced
 WHERE (journal_id, merchant_id) NOT IN (
       SELECT * FROM unnest(%(aside_journals)s::uuid[], %(aside_merchants)s::uuid[]))
 ORDER BY journal_id
 LIMIT %(limit)s

-- name: take
-- The subqueries keep to the indexes, whatever the planner knows of a young database's sizes.
WITH taken AS (
    DELETE FROM ledger_unsequenced
     WHERE (merchant_id, journal_id) IN (
-- include: first
)
    RETURNING merchant_id, journal_id
)
-- include: entries

-- name: batch
-- What `take` takes.
-- include: first
;

-- name: take_these
WITH taken AS (
    DELETE FROM ledger_unsequenced
     WHERE (journal_id, merchant_id) IN (
           SELECT * FROM unnest(%(journal_ids)s::uuid[], %(merchant_ids)s::uuid[]))
    RETURNING merchant_id, journal_id
)
-- include: entries

-- name: chain_heads
SELECT wanted.merchant_id, wanted.livemode, head.position, head.row_hash, head.sequenced_at
  FROM unnest(%(merchant_ids)s::uuid[], %(livemodes)s::boolean[])
       AS wanted (merchant_id, livemode)
 CROSS JOIN LATERAL (
       SELECT position, row_hash, sequenced_at
         FROM ledger_chain
        WHERE merchant_id = wanted.merchant_id AND livemode = wanted.livemode
        ORDER BY position DESC
        LIMIT 1) AS head;

-- name: account_heads
SELECT wanted.merchant_id, wanted.livemode, wanted.account_type, wanted.currency, wanted.processor,
       head.sequence, head.balance_after
  FROM unnest(%(merchant_ids)s::uuid[], %(livemodes)s::boolean[], %(account_types)s::text[],
              %(currencies)s::text[], %(processors)s::text[])
       AS wanted (merchant_id, livemode, account_type, currency, processor)
 CROSS JOIN LATERAL (
       SELECT sequence, balance_after
         FROM ledger_chain
        WHERE merchant_id = wanted.merchant_id AND livemode = wanted.livemode
          AND account_type = wanted.account_type AND currency = wanted.currency
          AND processor = wanted.processor
        ORDER BY sequence DESC
        LIMIT 1) AS head;

-- name: append
COPY ledger_chain (merchant_id, id, livemode, journal_id, position, account_type, currency,
                   processor, sequence, balance_after, row_hash, sequenced_at)
FROM STDIN;

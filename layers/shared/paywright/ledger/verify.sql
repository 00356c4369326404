-- name: timeout
SELECT set_config('statement_timeout', %(milliseconds)s, true);

-- name: months
-- Whose payments are still here: old months are detached, and their journals outlive them.
SELECT relname
  FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
 WHERE inhparent = 'transactions'::regclass;

-- name: chain
-- Every row of a merchant's chain and entries, matched or not, in the order of the chains; of what
-- stands before a signed head only the entries that are in no link.
SELECT coalesce(link.merchant_id, entry.merchant_id) AS merchant_id,
       coalesce(link.livemode, entry.livemode) AS chain_livemode,
       link.id AS link_id, link.journal_id AS link_journal_id, link.position,
       link.account_type AS link_account_type, link.currency AS link_currency,
       link.processor AS link_processor, link.sequence, link.balance_after, link.row_hash,
       link.sequenced_at,
       entry.id, entry.journal_id, entry.transaction_id, entry.livemode, entry.entry_type,
       entry.account_type, entry.processor, entry.amount, entry.currency, entry.created_at,
       journal.livemode AS journal_livemode, journal.transaction_id AS journal_transaction_id,
       journal.kind, journal.created_at AS journal_created_at,
       listed.journal_id IS NOT NULL AS listed
  FROM (SELECT * FROM ledger_chain WHERE merchant_id = %(merchant_id)s) AS link
  FULL JOIN (SELECT * FROM ledger_entries WHERE merchant_id = %(merchant_id)s) AS entry
         ON entry.id = link.id
  LEFT JOIN (SELECT * FROM journals WHERE merchant_id = %(merchant_id)s) AS journal
         ON journal.id = coalesce(link.journal_id, entry.journal_id)
  LEFT JOIN (SELECT journal_id FROM ledger_unsequenced WHERE merchant_id = %(merchant_id)s) AS listed
         ON listed.journal_id = coalesce(link.journal_id, entry.journal_id)
 WHERE link.position IS NULL
    OR link.position >= CASE WHEN link.livemode THEN %(from_live)s ELSE %(from_test)s END
 ORDER BY chain_livemode, position NULLS LAST, coalesce(link.id, entry.id);

-- name: journals
-- A merchant's journals that are out of balance in some currency, have no entries, or whose payment
-- is missing or of another mode.
WITH sums AS (
    SELECT journal_id, bool_or(total <> 0) AS is_unbalanced
      FROM (SELECT journal_id,
                   sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END) AS total
              FROM ledger_entries
             WHERE merchant_id = %(merchant_id)s
             GROUP BY journal_id, currency) AS of_currency
     GROUP BY journal_id
), judged AS (
    SELECT journal.id, journal.livemode,
           CASE
           WHEN sums.journal_id IS NULL THEN 'has no entries'
           WHEN sums.is_unbalanced THEN 'does not sum to zero'
           WHEN journal.transaction_id IS NOT NULL AND payment.id IS NULL
                AND 'transactions' || to_char(to_timestamp(
                    ('x' || left(replace(journal.transaction_id::text, '-', ''), 12))
                    ::bit(48)::bigint / 1000.0) AT TIME ZONE 'UTC', '_YYYY_MM')
                    = ANY (%(months)s)
                THEN 'its payment ' || journal.transaction_id || ' does not exist'
           WHEN payment.livemode <> journal.livemode THEN 'its payment is of another mode'
           END AS problem
      FROM journals AS journal
      LEFT JOIN sums ON sums.journal_id = journal.id
      LEFT JOIN (SELECT id, livemode FROM transactions WHERE merchant_id = %(merchant_id)s)
                AS payment ON payment.id = journal.transaction_id
     WHERE journal.merchant_id = %(merchant_id)s
)
SELECT id, livemode, problem FROM judged WHERE problem IS NOT NULL ORDER BY id LIMIT %(limit)s;

-- name: payments
-- A merchant's payments beside what is posted for them. Captures are what processors owe and keep of
-- them; the settled side of a conversion comes into fx_clearing, and goes out of it with a
-- refund. A refund is owed to the customer until it is confirmed, and then goes out of what a
-- processor owes; it comes back there when it fails afterwards.
WITH posted AS (
    SELECT entry.transaction_id,
           coalesce(sum(entry.signed) FILTER (WHERE entry.is_capture
               AND entry.account_type IN ('processor_receivable', 'processor_cost')
               AND entry.currency = payment.currency), 0) AS captured,
           coalesce(sum(entry.signed) FILTER (WHERE entry.is_capture
               AND entry.account_type = 'fx_clearing'
               AND entry.currency = payment.settlement_currency), 0) AS settled,
           coalesce(-sum(entry.signed) FILTER (WHERE entry.is_refund
               AND entry.account_type = 'processor_receivable'
               AND entry.currency = payment.currency), 0) AS refunded,
           coalesce(-sum(entry.signed) FILTER (WHERE entry.account_type = 'customer_refund'
               AND entry.currency = payment.currency), 0) AS owed,
           coalesce(-sum(entry.signed) FILTER (WHERE entry.is_refund
               AND entry.account_type = 'fx_clearing'
               AND entry.currency = payment.settlement_currency), 0) AS converted,
           coalesce(sum(entry.signed) FILTER (WHERE entry.is_refund
               AND entry.account_type = 'platform_fee'), 0) AS fee_returned,
           coalesce(-sum(entry.signed) FILTER (WHERE entry.account_type = 'merchant_hold'
               AND entry.currency = payment.currency), 0) AS held
      FROM (SELECT e.transaction_id, e.account_type, e.currency,
                   CASE e.entry_type WHEN 'debit' THEN e.amount ELSE -e.amount END AS signed,
                   j.kind IN ('authorize', 'capture') AS is_capture,
                   j.kind LIKE 'refund%%' AS is_refund
              FROM ledger_entries AS e
              JOIN journals AS j ON j.merchant_id = e.merchant_id AND j.id = e.journal_id
             WHERE e.merchant_id = %(merchant_id)s AND e.transaction_id IS NOT NULL) AS entry
      JOIN transactions AS payment
        ON payment.merchant_id = %(merchant_id)s AND payment.id = entry.transaction_id
     GROUP BY entry.transaction_id
), wanted AS (
    SELECT payment.id, payment.livemode, amounts.name, amounts.stored, amounts.posted
      FROM transactions AS payment
      LEFT JOIN posted ON posted.transaction_id = payment.id
     CROSS JOIN LATERAL (VALUES
           ('captured_amount', payment.captured_amount, posted.captured),
           ('settlement_amount', coalesce(payment.settlement_amount, 0),
            CASE WHEN payment.settlement_currency = payment.currency THEN posted.captured
                 ELSE posted.settled END),
           ('refunded_amount', payment.refunded_amount, posted.refunded),
           ('pending_refund_amount', payment.pending_refund_amount, posted.owed),
           ('settlement_refunded_amount', payment.settlement_refunded_amount,
            CASE WHEN payment.settlement_currency = payment.currency
                 THEN posted.refunded + posted.owed ELSE posted.converted END),
           ('fee_returned_amount', payment.fee_returned_amount, posted.fee_returned),
           ('held amount', CASE payment.status WHEN 'authorized'
                           THEN payment.amount - payment.captured_amount ELSE 0 END, posted.held))
           AS amounts (name, stored, posted)
     WHERE payment.merchant_id = %(merchant_id)s
       AND amounts.stored <> coalesce(amounts.posted, 0)
)
SELECT id, livemode,
       'its ' || name || ' is ' || stored || ', in the ledger it is ' || coalesce(posted, 0)
       AS problem
  FROM wanted ORDER BY id, name LIMIT %(limit)s;

-- name: waiting
-- Journals on the sequencer's list that do not exist, or have been on it for too long.
SELECT listed.merchant_id, listed.journal_id, journal.livemode,
       CASE WHEN journal.id IS NULL THEN 'is to be sequenced but does not exist'
            ELSE 'has waited to be sequenced since '
                 || to_char(journal.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
       END AS problem
  FROM ledger_unsequenced AS listed
  LEFT JOIN journals AS journal
         ON journal.merchant_id = listed.merchant_id AND journal.id = listed.journal_id
 WHERE journal.id IS NULL OR journal.created_at < %(since)s
 ORDER BY listed.journal_id
 LIMIT %(limit)s;

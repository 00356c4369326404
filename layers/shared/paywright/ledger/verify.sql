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

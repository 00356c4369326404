-- name: timeout
SELECT set_config('statement_timeout', %(milliseconds)s, true);

-- name: chain
-- Every row of chain and entries, matched or not, in the order of the chains.
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
  FROM ledger_chain AS link
  FULL JOIN ledger_entries AS entry ON entry.merchant_id = link.merchant_id AND entry.id = link.id
  LEFT JOIN journals AS journal
         ON journal.merchant_id = coalesce(link.merchant_id, entry.merchant_id)
        AND journal.id = coalesce(link.journal_id, entry.journal_id)
  LEFT JOIN ledger_unsequenced AS listed
         ON listed.merchant_id = coalesce(link.merchant_id, entry.merchant_id)
        AND listed.journal_id = coalesce(link.journal_id, entry.journal_id)
 ORDER BY merchant_id, chain_livemode, position NULLS LAST, coalesce(link.id, entry.id);

-- name: journals
-- Journals out of balance in some currency, without entries, or listed without being there.
SELECT merchant_id, id, livemode, 'does not sum to zero' AS problem
  FROM journals AS journal
 WHERE EXISTS (
       SELECT FROM ledger_entries AS entry
        WHERE entry.merchant_id = journal.merchant_id AND entry.journal_id = journal.id
        GROUP BY entry.currency
       HAVING sum(CASE entry.entry_type WHEN 'debit' THEN entry.amount ELSE -entry.amount END) <> 0)
UNION ALL
SELECT merchant_id, id, livemode, 'has no entries'
  FROM journals AS journal
 WHERE NOT EXISTS (
       SELECT FROM ledger_entries AS entry
        WHERE entry.merchant_id = journal.merchant_id AND entry.journal_id = journal.id)
UNION ALL
SELECT listed.merchant_id, listed.journal_id, NULL, 'is to be sequenced but does not exist'
  FROM ledger_unsequenced AS listed
  LEFT JOIN journals AS journal
         ON journal.merchant_id = listed.merchant_id AND journal.id = listed.journal_id
 WHERE journal.id IS NULL
 ORDER BY merchant_id, id
 LIMIT %(limit)s;

-- name: next_merchant
-- One probe of each partition's key: no list of all merchants is ever made.
SELECT min(merchant_id::text)::uuid AS merchant_id
  FROM (
       (SELECT merchant_id FROM journals WHERE merchant_id > %(after)s
         ORDER BY merchant_id LIMIT 1)
       UNION ALL
       (SELECT merchant_id FROM ledger_entries WHERE merchant_id > %(after)s
         ORDER BY merchant_id LIMIT 1)
       UNION ALL
       (SELECT merchant_id FROM ledger_chain WHERE merchant_id > %(after)s
         ORDER BY merchant_id LIMIT 1)
       UNION ALL
       (SELECT merchant_id FROM transactions WHERE merchant_id > %(after)s
         ORDER BY merchant_id LIMIT 1)
       UNION ALL
       (SELECT merchant_id FROM payment_operations WHERE merchant_id > %(after)s
         ORDER BY merchant_id LIMIT 1)
       UNION ALL
       (SELECT merchant_id FROM refunds WHERE merchant_id > %(after)s
         ORDER BY merchant_id LIMIT 1)
       UNION ALL
       (SELECT merchant_id FROM pending_operations WHERE merchant_id > %(after)s
         ORDER BY merchant_id LIMIT 1)
       ) AS next;

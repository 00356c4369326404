-- name: waiting
-- What waits for long is at the head of the list, which is in the order of ids: journals have those of
-- operations, begun at most days before. So a thousand are enough to tell the oldest by.
SELECT (SELECT count(*) FROM (SELECT FROM ledger_unsequenced LIMIT %(most)s) AS counted) AS waiting,
       (SELECT min(journal.created_at)
          FROM (SELECT merchant_id, journal_id FROM ledger_unsequenced
                 ORDER BY journal_id LIMIT 1000) AS first
         CROSS JOIN LATERAL (
               SELECT created_at FROM journals
                WHERE merchant_id = first.merchant_id AND id = first.journal_id
               OFFSET 0) AS journal) AS oldest

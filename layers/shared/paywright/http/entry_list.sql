-- name: older
-- The entries next below a cursor, taken one by one: no further than the page needs or `scan`
-- allows. Journal and chain are looked up for those of the page alone.
SELECT page.*, journal.kind, link.sequence, link.balance_after, link.sequenced_at
  FROM (SELECT *
          FROM (SELECT *,
                       livemode = %(livemode)s
                       AND (%(account_types)s::text[] IS NULL
                            OR account_type = ANY (%(account_types)s))
                       AND created_at >= %(created_from)s AND created_at < %(created_until)s
                       AND (%(currency)s::text IS NULL OR currency = %(currency)s) AS matches,
                       row_number() OVER (ORDER BY id DESC) AS looked_at
                  FROM (SELECT *
                          FROM ledger_entries
                         WHERE merchant_id = %(merchant_id)s
                           AND id > %(after)s AND id < %(before)s
                         ORDER BY id DESC
                         LIMIT %(scan)s) AS scanned) AS entry
         WHERE matches OR looked_at = %(scan)s
         ORDER BY id DESC
         LIMIT %(rows)s) AS page
  LEFT JOIN LATERAL (
       SELECT kind FROM journals
        WHERE merchant_id = page.merchant_id AND id = page.journal_id
       OFFSET 0) AS journal ON true
  LEFT JOIN LATERAL (
       SELECT sequence, balance_after, sequenced_at FROM ledger_chain
        WHERE merchant_id = page.merchant_id AND id = page.id
       OFFSET 0) AS link ON true
 ORDER BY page.id DESC;

-- name: newer
SELECT page.*, journal.kind, link.sequence, link.balance_after, link.sequenced_at
  FROM (SELECT *
          FROM (SELECT *,
                       livemode = %(livemode)s
                       AND (%(account_types)s::text[] IS NULL
                            OR account_type = ANY (%(account_types)s))
                       AND created_at >= %(created_from)s AND created_at < %(created_until)s
                       AND (%(currency)s::text IS NULL OR currency = %(currency)s) AS matches,
                       row_number() OVER (ORDER BY id) AS looked_at
                  FROM (SELECT *
                          FROM ledger_entries
                         WHERE merchant_id = %(merchant_id)s
                           AND id > %(after)s AND id < %(before)s
                         ORDER BY id
                         LIMIT %(scan)s) AS scanned) AS entry
         WHERE matches OR looked_at = %(scan)s
         ORDER BY id
         LIMIT %(rows)s) AS page
  LEFT JOIN LATERAL (
       SELECT kind FROM journals
        WHERE merchant_id = page.merchant_id AND id = page.journal_id
       OFFSET 0) AS journal ON true
  LEFT JOIN LATERAL (
       SELECT sequence, balance_after, sequenced_at FROM ledger_chain
        WHERE merchant_id = page.merchant_id AND id = page.id
       OFFSET 0) AS link ON true
 ORDER BY page.id;

-- name: of_payment
-- A payment has few entries: they are found by its index, and then put in order.
SELECT page.*, journal.kind, link.sequence, link.balance_after, link.sequenced_at
  FROM (SELECT *, true AS matches, 0 AS looked_at
          FROM (SELECT *
                  FROM ledger_entries
                 WHERE transaction_id = %(payment_id)s AND merchant_id = %(merchant_id)s
                OFFSET 0) AS entry
         WHERE livemode = %(livemode)s
           AND (%(account_types)s::text[] IS NULL
                OR account_type = ANY (%(account_types)s))
           AND id > %(after)s AND id < %(before)s
           AND created_at >= %(created_from)s AND created_at < %(created_until)s
           AND (%(currency)s::text IS NULL OR currency = %(currency)s)
         ORDER BY CASE WHEN %(is_backwards)s THEN id END, id DESC
         LIMIT %(rows)s) AS page
  LEFT JOIN LATERAL (
       SELECT kind FROM journals
        WHERE merchant_id = page.merchant_id AND id = page.journal_id
       OFFSET 0) AS journal ON true
  LEFT JOIN LATERAL (
       SELECT sequence, balance_after, sequenced_at FROM ledger_chain
        WHERE merchant_id = page.merchant_id AND id = page.id
       OFFSET 0) AS link ON true
 ORDER BY CASE WHEN %(is_backwards)s THEN page.id END, page.id DESC;

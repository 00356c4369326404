-- name: older
-- The rows next below a cursor. They are taken one by one, and no further than the page needs or
-- `scan` allows; `pending` is also what a payment shows while an outcome is not known.
SELECT *
  FROM (SELECT *,
               livemode = %(livemode)s
               AND created_at >= %(created_from)s AND created_at < %(created_until)s
               AND (%(currency)s::text IS NULL OR currency = %(currency)s)
               AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
               AND (%(status)s::text IS NULL OR %(status)s
                    = CASE WHEN pending_reason = %(unknown)s THEN 'pending' ELSE status END)
               AS matches,
               row_number() OVER (ORDER BY id DESC) AS looked_at
          FROM (SELECT *
                  FROM transactions
                 WHERE merchant_id = %(merchant_id)s AND id > %(after)s AND id < %(before)s
                 ORDER BY id DESC
                 LIMIT %(scan)s) AS scanned) AS payment
 WHERE matches OR looked_at = %(scan)s
 ORDER BY id DESC
 LIMIT %(rows)s;

-- name: newer
SELECT *
  FROM (SELECT *,
               livemode = %(livemode)s
               AND created_at >= %(created_from)s AND created_at < %(created_until)s
               AND (%(currency)s::text IS NULL OR currency = %(currency)s)
               AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
               AND (%(status)s::text IS NULL OR %(status)s
                    = CASE WHEN pending_reason = %(unknown)s THEN 'pending' ELSE status END)
               AS matches,
               row_number() OVER (ORDER BY id) AS looked_at
          FROM (SELECT *
                  FROM transactions
                 WHERE merchant_id = %(merchant_id)s AND id > %(after)s AND id < %(before)s
                 ORDER BY id
                 LIMIT %(scan)s) AS scanned) AS payment
 WHERE matches OR looked_at = %(scan)s
 ORDER BY id
 LIMIT %(rows)s;

-- name: older
-- A payment has few refunds and an index to them.
SELECT *, true AS matches, row_number() OVER (ORDER BY id DESC) AS looked_at
  FROM refunds
 WHERE transaction_id = %(transaction_id)s AND merchant_id = %(merchant_id)s
   AND livemode = %(livemode)s AND id > %(after)s AND id < %(before)s
   AND created_at >= %(created_from)s AND created_at < %(created_until)s
   AND (%(status)s::text IS NULL OR status = %(status)s)
 ORDER BY id DESC
 LIMIT %(rows)s;

-- name: newer
SELECT *, true AS matches, row_number() OVER (ORDER BY id) AS looked_at
  FROM refunds
 WHERE transaction_id = %(transaction_id)s AND merchant_id = %(merchant_id)s
   AND livemode = %(livemode)s AND id > %(after)s AND id < %(before)s
   AND created_at >= %(created_from)s AND created_at < %(created_until)s
   AND (%(status)s::text IS NULL OR status = %(status)s)
 ORDER BY id
 LIMIT %(rows)s;

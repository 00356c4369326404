-- An event is in `outbox` from the moment it is committed, in `events` as soon as it is relayed, and
-- in both while it is relayed again: all in one snapshot, so that none is missed on its way.

-- fragment: is_wanted
(livemode = %(livemode)s
 AND created_at >= %(created_from)s AND created_at < %(created_until)s
 AND (%(type)s::text[] IS NULL OR type = ANY (%(type)s::text[])))

-- name: find
SELECT payload::text AS payload
  FROM (SELECT id, livemode, created_at, payload
          FROM events WHERE merchant_id = %(merchant_id)s AND id = %(id)s
         UNION ALL
        SELECT id, livemode, created_at, payload
          FROM outbox WHERE merchant_id = %(merchant_id)s AND id = %(id)s) AS event
 WHERE livemode = %(livemode)s AND created_at >= %(since)s
 LIMIT 1

-- name: older
-- The rows next below a cursor, taken one by one and no further than the page needs or `scan` allows.
SELECT *
  FROM (SELECT *,
-- include: is_wanted
               AS matches,
               row_number() OVER (ORDER BY id DESC) AS looked_at
          FROM (SELECT DISTINCT ON (id) *
                  FROM ((SELECT id, livemode, type, created_at, payload
                           FROM events
                          WHERE merchant_id = %(merchant_id)s AND id > %(after)s AND id < %(before)s
                          ORDER BY id DESC
                          LIMIT %(scan)s)
                         UNION ALL
                        (SELECT id, livemode, type, created_at, payload
                           FROM outbox
                          WHERE merchant_id = %(merchant_id)s AND id > %(after)s AND id < %(before)s
                          ORDER BY id DESC
                          LIMIT %(scan)s)) AS both_tables
                 ORDER BY id DESC
                 LIMIT %(scan)s) AS scanned) AS event
 WHERE matches OR looked_at = %(scan)s
 ORDER BY id DESC
 LIMIT %(rows)s;

-- name: newer
SELECT *
  FROM (SELECT *,
-- include: is_wanted
               AS matches,
               row_number() OVER (ORDER BY id) AS looked_at
          FROM (SELECT DISTINCT ON (id) *
                  FROM ((SELECT id, livemode, type, created_at, payload
                           FROM events
                          WHERE merchant_id = %(merchant_id)s AND id > %(after)s AND id < %(before)s
                          ORDER BY id
                          LIMIT %(scan)s)
                         UNION ALL
                        (SELECT id, livemode, type, created_at, payload
                           FROM outbox
                          WHERE merchant_id = %(merchant_id)s AND id > %(after)s AND id < %(before)s
                          ORDER BY id
                          LIMIT %(scan)s)) AS both_tables
                 ORDER BY id
                 LIMIT %(scan)s) AS scanned) AS event
 WHERE matches OR looked_at = %(scan)s
 ORDER BY id
 LIMIT %(rows)s;

-- name: of_object
-- An object has few events: they are found by its index, and then put in order.
SELECT DISTINCT ON (CASE WHEN %(is_backwards)s THEN id END, id)
       id, created_at, payload, true AS matches, 0 AS looked_at
  FROM (SELECT id, object_id, livemode, type, created_at, payload
          FROM events WHERE merchant_id = %(merchant_id)s AND object_id = %(object_id)s
         UNION ALL
        SELECT id, object_id, livemode, type, created_at, payload
          FROM outbox WHERE merchant_id = %(merchant_id)s AND object_id = %(object_id)s) AS event
 WHERE id > %(after)s AND id < %(before)s AND
-- include: is_wanted
 ORDER BY CASE WHEN %(is_backwards)s THEN id END, id DESC
 LIMIT %(rows)s;

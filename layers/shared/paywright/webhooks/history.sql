-- fragment: columns
id, livemode, event_id, endpoint_id, status, attempts, last_attempt_at, next_retry_at,
last_response_code, last_error, created_at

-- fragment: rest
(SELECT endpoint.rest_until FROM webhook_endpoints AS endpoint
  WHERE endpoint.merchant_id = %(merchant_id)s AND endpoint.id = delivery.endpoint_id
    AND endpoint.failing_since IS NOT NULL) AS rest_until

-- fragment: matches
livemode = %(livemode)s
AND created_at >= %(created_from)s AND created_at < %(created_until)s
AND (%(webhook_endpoint_id)s::uuid IS NULL OR endpoint_id = %(webhook_endpoint_id)s)
AND (%(event_id)s::uuid IS NULL OR event_id = %(event_id)s)
AND (%(status)s::text IS NULL OR status = %(status)s)
AS matches

-- name: older
-- The rows next below a cursor, no more than the page needs or `scan` allows.
SELECT *,
-- include: rest
  FROM (SELECT row_number() OVER (ORDER BY id DESC) AS looked_at,
-- include: matches
               ,
-- include: columns
          FROM (SELECT * FROM webhook_deliveries
                 WHERE merchant_id = %(merchant_id)s AND id > %(after)s AND id < %(before)s
                 ORDER BY id DESC
                 LIMIT %(scan)s) AS scanned) AS delivery
 WHERE matches OR looked_at = %(scan)s
 ORDER BY id DESC
 LIMIT %(rows)s;

-- name: newer
SELECT *,
-- include: rest
  FROM (SELECT row_number() OVER (ORDER BY id) AS looked_at,
-- include: matches
               ,
-- include: columns
          FROM (SELECT * FROM webhook_deliveries
                 WHERE merchant_id = %(merchant_id)s AND id > %(after)s AND id < %(before)s
                 ORDER BY id
                 LIMIT %(scan)s) AS scanned) AS delivery
 WHERE matches OR looked_at = %(scan)s
 ORDER BY id
 LIMIT %(rows)s;

-- name: find
SELECT
-- include: columns
       ,
-- include: rest
  FROM webhook_deliveries AS delivery
 WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s AND id = %(id)s;

-- name: attempts
SELECT number, at, status_code, error, duration_ms, excerpt
  FROM webhook_attempts
 WHERE delivery_id = %(id)s AND merchant_id = %(merchant_id)s
 ORDER BY number DESC
 LIMIT %(limit)s;

-- name: admit
-- Without a key it is an operator.
SELECT 1
  FROM merchants m
 WHERE m.id = %(merchant_id)s AND m.status = 'active'
   AND (%(api_key_id)s::uuid IS NULL
        OR EXISTS (SELECT FROM api_keys k
                    WHERE k.merchant_id = m.id AND k.id = %(api_key_id)s AND k.revoked_at IS NULL));

-- fragment: endpoint
endpoint.merchant_id = %(merchant_id)s AND endpoint.livemode = %(livemode)s
   AND endpoint.id = %(endpoint_id)s AND endpoint.deleted_at IS NULL

-- name: endpoint
SELECT endpoint.enabled
  FROM webhook_endpoints AS endpoint
 WHERE
-- include: endpoint
;

-- name: woken_endpoint
-- It rests no longer: somebody wants to know whether it works again; requests that began before do not
-- say, and start no rest. That locks it, against what would disable it meanwhile; after its deliveries,
-- as whoever records them does.
UPDATE webhook_endpoints AS endpoint
   SET rest_until = %(now)s
 WHERE
-- include: endpoint
RETURNING endpoint.enabled;

-- name: is_kept
SELECT EXISTS (SELECT FROM events WHERE merchant_id = %(merchant_id)s AND id = %(event_id)s)
       OR EXISTS (SELECT FROM outbox WHERE id = %(event_id)s) AS is_kept;

-- name: resend
WITH delivery AS (
    UPDATE webhook_deliveries
       SET status = 'pending', tries = 0, turn = turn + 1, next_retry_at = %(now)s, last_error = NULL
     WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s AND id = %(id)s
    RETURNING endpoint_id, id, event_id
), waiting AS (
    INSERT INTO webhook_waiting AS waiting
           (endpoint_id, delivery_id, merchant_id, due_at, trace_id, asked_for)
    SELECT endpoint_id, id, %(merchant_id)s, %(now)s, %(trace_id)s, true FROM delivery
        ON CONFLICT (endpoint_id, delivery_id)
        DO UPDATE SET due_at = excluded.due_at, trace_id = excluded.trace_id, asked_for = true,
                      dead_letter = false
)
SELECT * FROM delivery;

-- name: resend_failed
-- In the order in which they were begun, as many as one transaction should hold.
WITH failed AS (
    SELECT merchant_id, id
      FROM webhook_deliveries
     WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s
       AND endpoint_id = %(endpoint_id)s AND status = 'failed'
       AND id > %(from_id)s AND created_at >= %(since)s
       AND EXISTS (SELECT FROM events WHERE events.merchant_id = webhook_deliveries.merchant_id
                      AND events.id = webhook_deliveries.event_id)
     ORDER BY id
     LIMIT %(limit)s
), delivery AS (
    UPDATE webhook_deliveries AS delivery
       SET status = 'pending', tries = 0, turn = turn + 1, next_retry_at = %(now)s, last_error = NULL
      FROM failed
     WHERE delivery.merchant_id = failed.merchant_id AND delivery.id = failed.id
       AND delivery.status = 'failed'
    RETURNING delivery.merchant_id, delivery.id, delivery.endpoint_id
), waiting AS (
    INSERT INTO webhook_waiting AS waiting
           (endpoint_id, delivery_id, merchant_id, due_at, trace_id, asked_for)
    SELECT endpoint_id, id, merchant_id, %(now)s, %(trace_id)s, true FROM delivery
        ON CONFLICT (endpoint_id, delivery_id)
        DO UPDATE SET due_at = excluded.due_at, asked_for = true, dead_letter = false
)
SELECT count(*) AS resent FROM delivery;

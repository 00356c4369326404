-- name: deliveries
-- Ids have the time in them, and old rows are found by it.
SELECT delivery.id, delivery.merchant_id, delivery.endpoint_id, delivery.event_id,
       coalesce(delivery.last_attempt_at, delivery.created_at) AS at, delivery.status,
       delivery.attempts AS attempt, delivery.last_response_code AS status_code,
       delivery.last_error AS error, latest.duration_ms, endpoint.url, event.type AS event_type
  FROM webhook_deliveries AS delivery
  JOIN webhook_endpoints AS endpoint
       ON endpoint.merchant_id = delivery.merchant_id AND endpoint.id = delivery.endpoint_id
  LEFT JOIN events AS event
       ON event.merchant_id = delivery.merchant_id AND event.id = delivery.event_id
  LEFT JOIN webhook_attempts AS latest
       ON latest.delivery_id = delivery.id AND latest.number = delivery.attempts
 WHERE delivery.id > %(floor)s
   AND (%(merchant_id)s::uuid IS NULL OR delivery.merchant_id = %(merchant_id)s)
   AND (%(endpoint_id)s::uuid IS NULL OR delivery.endpoint_id = %(endpoint_id)s)
   AND (NOT %(only_failed)s OR delivery.status = 'failed')
 ORDER BY delivery.id DESC
 LIMIT %(limit)s;

-- name: attempts
-- Of each endpoint what is new, by its index.
SELECT attempt.delivery_id AS id, attempt.merchant_id, attempt.endpoint_id, delivery.event_id,
       attempt.at, attempt.number AS attempt, attempt.status_code, attempt.error,
       attempt.duration_ms, endpoint.url, event.type AS event_type,
       CASE WHEN attempt.status_code BETWEEN 200 AND 299 THEN 'delivered' ELSE 'failed' END
           AS status
  FROM webhook_endpoints AS endpoint
       CROSS JOIN LATERAL (
           SELECT *
             FROM webhook_attempts AS attempt
            WHERE attempt.endpoint_id = endpoint.id AND attempt.at > %(floor)s
              AND (NOT %(only_failed)s
                   OR attempt.status_code IS NULL OR attempt.status_code NOT BETWEEN 200 AND 299)
              AND (attempt.delivery_id, attempt.number) NOT IN (
                      SELECT * FROM unnest(%(seen)s::uuid[], %(seen_numbers)s::smallint[]))
            ORDER BY attempt.at
            LIMIT %(limit)s) AS attempt
  JOIN webhook_deliveries AS delivery
       ON delivery.merchant_id = attempt.merchant_id AND delivery.id = attempt.delivery_id
  LEFT JOIN events AS event
       ON event.merchant_id = delivery.merchant_id AND event.id = delivery.event_id
 WHERE (%(merchant_id)s::uuid IS NULL OR endpoint.merchant_id = %(merchant_id)s)
   AND (%(endpoint_id)s::uuid IS NULL OR endpoint.id = %(endpoint_id)s)
 ORDER BY attempt.at, attempt.delivery_id
 LIMIT %(limit)s;

-- name: delivery
SELECT merchant_id, livemode FROM webhook_deliveries WHERE id = %(id)s;

-- name: merchant_of_event
-- The key of events begins with their merchants: one look into its index for each of these, however
-- many events there are, or for the one that is named.
SELECT event.merchant_id
  FROM merchants AS m
       CROSS JOIN LATERAL (
           SELECT * FROM events AS e WHERE e.merchant_id = m.id AND e.id = %(id)s
           OFFSET 0) AS event
 WHERE %(merchant_id)s::uuid IS NULL OR m.id = %(merchant_id)s
 LIMIT 1;

-- name: receivers
-- The endpoints to which an event that was on the bus could still go, each with what it wants.
SELECT event.type, event.payload -> 'data' -> 'object' ->> 'id' AS object_id, endpoint.id,
       coalesce(endpoint.wanted_types, endpoint.event_types) AS wanted_types,
       coalesce(endpoint.wanted_since,
                array_fill(endpoint.created_at, ARRAY[cardinality(endpoint.event_types)])) AS wanted_since
  FROM events AS event
  JOIN webhook_endpoints AS endpoint
       ON endpoint.merchant_id = event.merchant_id AND endpoint.livemode = event.livemode
       AND endpoint.enabled
  LEFT JOIN webhook_deliveries AS delivery
       ON delivery.event_id = event.id AND delivery.endpoint_id = endpoint.id
       AND delivery.merchant_id = event.merchant_id
 WHERE event.merchant_id = %(merchant_id)s AND event.id = %(id)s
   AND coalesce(delivery.status, 'failed') = 'failed';

-- name: relay_again
-- As if it had never been there, so that it is looked after anew; one that waits there, waits.
WITH event AS (
    UPDATE events SET relays = 0, lost = NULL
     WHERE merchant_id = %(merchant_id)s AND id = %(id)s
    RETURNING *
), audited AS (
    INSERT INTO audit_log
        (merchant_id, id, entity_type, entity_id, action, actor_type, actor_id, created_at)
    SELECT merchant_id, %(audit_id)s, 'event', id, 'resent', 'admin', %(operator)s, %(now)s
      FROM event
), waiting AS (
    INSERT INTO outbox
           (id, merchant_id, livemode, type, object_id, sequence, payload, created_at)
    SELECT id, merchant_id, livemode, type, object_id, sequence, payload, created_at FROM event
        ON CONFLICT (id) DO NOTHING
)
SELECT id FROM event;

-- name: endpoint
SELECT merchant_id, livemode FROM webhook_endpoints WHERE id = %(id)s AND deleted_at IS NULL;

-- name: create_partitions
SELECT create_month_partitions(%(now)s, 3) AS made

-- name: forget_keys
-- Walks the oldest keys by the index on created_at, which no outcome changes, from where the batch
-- before ended.
WITH forgotten AS (
    DELETE FROM idempotency_keys
     WHERE (merchant_id, livemode, key) IN (
        SELECT merchant_id, livemode, key FROM idempotency_keys
         WHERE created_at >= %(since)s AND created_at < %(now)s - interval '24 hours'
           AND expires_at <= %(now)s
         ORDER BY created_at
         LIMIT %(limit)s)
    RETURNING created_at
)
SELECT count(*) AS number, max(created_at) AS until FROM forgotten

-- name: forget_rate_limits
DELETE FROM rate_limit_windows WHERE window_start < %(now)s - interval '10 minutes'

-- name: forget_deliveries
-- Their ids tell how old they are; the attempts of a delivery go with it.
WITH old AS (
    SELECT merchant_id, id, endpoint_id FROM webhook_deliveries
     WHERE id < uuidv7_floor(%(now)s - interval '30 days')
     LIMIT %(limit)s
), attempts AS (
    DELETE FROM webhook_attempts AS attempt USING old WHERE attempt.delivery_id = old.id
), waiting AS (
    DELETE FROM webhook_waiting AS waiting USING old
     WHERE waiting.endpoint_id = old.endpoint_id AND waiting.delivery_id = old.id
)
DELETE FROM webhook_deliveries AS delivery USING old
 WHERE delivery.merchant_id = old.merchant_id AND delivery.id = old.id

-- name: forget_endpoints
-- The last delivery that names one is forgotten before.
DELETE FROM webhook_endpoints
 WHERE (merchant_id, id) IN (
    SELECT merchant_id, id FROM webhook_endpoints
     WHERE deleted_at < %(now)s - interval '31 days'
     LIMIT %(limit)s)

-- name: forget_events
-- By the index on relayed_at: an event is relayed after it is made, so that none goes too early.
DELETE FROM events
 WHERE (merchant_id, id) IN (
    SELECT merchant_id, id FROM events
     WHERE relayed_at < %(before)s
     ORDER BY relayed_at
     LIMIT %(limit)s)

-- name: forget_notifications
-- No message about them can come any more: queue and dead-letter queue keep one for 18 days.
DELETE FROM notifications
 WHERE (merchant_id, event_id, kind) IN (
    SELECT merchant_id, event_id, kind FROM notifications
     WHERE created_at < %(now)s - interval '31 days'
     ORDER BY created_at
     LIMIT %(limit)s)

-- fragment: is_wanted
-- There is an endpoint that wanted it when it was made; clocks differ by a second at most.
EXISTS (SELECT FROM webhook_endpoints w
         WHERE w.merchant_id = e.merchant_id AND w.livemode = e.livemode AND w.enabled
           AND EXISTS (
               SELECT FROM unnest(coalesce(w.wanted_types, w.event_types),
                                  coalesce(w.wanted_since, array_fill(
                                      w.created_at, ARRAY[cardinality(w.event_types)])))
                           AS wanted (type, since)
                WHERE e.id >= uuidv7_floor(wanted.since - interval '1 second')
                  AND (wanted.type IN ('*', e.type)
                       OR right(wanted.type, 2) = '.*'
                          AND starts_with(e.type, left(wanted.type, -1)))))

-- fragment: is_nowhere
-- One look into an index for each event: a join would read all deliveries that there ever were.
NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event_id = e.id OFFSET 0)

-- name: relay_again
-- What the bus took and no consumer knows of: its queue is gone, with what it held. Whatever has a
-- delivery is in this database's care. A mere backlog costs a second look and nothing else.
INSERT INTO outbox (id, merchant_id, livemode, type, object_id, sequence, payload, created_at)
SELECT e.id, e.merchant_id, e.livemode, e.type, e.object_id, e.sequence, e.payload, e.created_at
  FROM events e
 WHERE e.relayed_at BETWEEN %(since)s AND %(now)s - interval '1 minute'
   AND e.relays < %(relays)s
   AND e.type NOT IN ('merchant.api_key_created', 'merchant.notification_email_changed')
       -- for people only: there is never a delivery of them
   AND
-- include: is_nowhere
   AND
-- include: is_wanted
 ORDER BY e.relayed_at
 LIMIT %(limit)s
    ON CONFLICT (id) DO NOTHING

-- name: given_up
-- By its own index: there are few that were put on the bus more than once.
SELECT e.merchant_id, e.id, e.type,
-- include: is_nowhere
       AND
-- include: is_wanted
       AS lost
  FROM events e
 WHERE e.relays > 1 AND e.lost IS NULL AND e.relays >= %(relays)s
   AND e.relayed_at < %(now)s - interval '30 minutes' -- a backlog has had its time
 ORDER BY e.relayed_at
 LIMIT %(limit)s

-- name: looked_for
UPDATE events AS event SET lost = known.lost
  FROM unnest(%(merchant_ids)s::uuid[], %(ids)s::uuid[], %(lost)s::boolean[])
       AS known (merchant_id, id, lost)
 WHERE event.merchant_id = known.merchant_id AND event.id = known.id

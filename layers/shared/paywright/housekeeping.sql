-- name: create_partitions
SELECT create_month_partitions(%(now)s, 3) AS made

-- name: forget_keys
-- Walks the oldest keys by the index on created_at, which no outcome changes.
DELETE FROM idempotency_keys
 WHERE (merchant_id, livemode, key) IN (
    SELECT merchant_id, livemode, key FROM idempotency_keys
     WHERE created_at < %(now)s - interval '24 hours' AND expires_at <= %(now)s
     ORDER BY created_at
     LIMIT %(limit)s)

-- name: forget_rate_limits
DELETE FROM rate_limit_windows WHERE window_start < %(now)s - interval '10 minutes'

-- name: relay_again
-- What the bus took and nobody delivers any more: its queue is gone, with what it held. Consumers
-- know an event that comes twice, so a mere backlog costs a second look and nothing else.
INSERT INTO outbox (id, merchant_id, livemode, type, object_id, sequence, payload, created_at)
SELECT e.id, e.merchant_id, e.livemode, e.type, e.object_id, e.sequence, e.payload, e.created_at
  FROM events e
       -- One look into an index for each event: without it all deliveries that there ever were are
       -- read, every time.
       CROSS JOIN LATERAL (
           SELECT count(*) AS planned,
                  bool_or(d.status = 'pending' AND coalesce(d.next_retry_at, d.created_at)
                                                   < %(now)s - interval '2 minutes') AS overdue
             FROM webhook_deliveries d WHERE d.event_id = e.id) AS so_far
 WHERE e.relayed_at BETWEEN %(since)s AND %(now)s - interval '1 minute'
   AND e.relays < %(relays)s
   AND EXISTS (SELECT FROM webhook_endpoints w
                WHERE w.merchant_id = e.merchant_id AND w.livemode = e.livemode AND w.enabled)
   AND (so_far.planned = 0 OR so_far.overdue)
 ORDER BY e.relayed_at
 LIMIT %(limit)s
    ON CONFLICT (id) DO NOTHING

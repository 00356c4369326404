-- name: take
-- In the order of their causes; rows that another relay holds are its own business.
SELECT id, merchant_id, livemode, type, sequence, payload::text AS payload, trace_id, created_at
  FROM outbox
 WHERE id <> ALL (%(resting)s)
 ORDER BY id
 LIMIT %(limit)s
   FOR UPDATE SKIP LOCKED;

-- name: relayed
WITH gone AS (
    DELETE FROM outbox WHERE id = ANY (%(ids)s)
    RETURNING merchant_id, id, livemode, type, object_id, sequence, payload, created_at
)
INSERT INTO events
       (merchant_id, id, livemode, type, object_id, sequence, payload, created_at, relayed_at)
SELECT merchant_id, id, livemode, type, object_id, sequence, payload, created_at, %(relayed_at)s
  FROM gone
    ON CONFLICT (merchant_id, id) DO UPDATE
       SET relayed_at = excluded.relayed_at, relays = events.relays + 1;

-- name: take
-- In the order of their causes.
SELECT id, merchant_id, livemode, type, sequence, payload::text AS payload, trace_id
  FROM outbox
 WHERE id <> ALL (%(resting)s::uuid[])
 ORDER BY id
 LIMIT %(limit)s;

-- name: relayed
-- It does not wait for the disk: should it be lost, the events are still in the outbox.
WITH unhurried AS (
    SELECT set_config('synchronous_commit', 'off', true)
), gone AS (
    DELETE FROM outbox USING unhurried WHERE id = ANY (%(ids)s::uuid[])
    RETURNING merchant_id, id, livemode, type, object_id, sequence, payload, created_at
)
INSERT INTO events
       (merchant_id, id, livemode, type, object_id, sequence, payload, created_at, relayed_at)
SELECT merchant_id, id, livemode, type, object_id, sequence, payload, created_at, %(relayed_at)s
  FROM gone
    ON CONFLICT (merchant_id, id) DO UPDATE
       SET relayed_at = excluded.relayed_at, relays = events.relays + 1;

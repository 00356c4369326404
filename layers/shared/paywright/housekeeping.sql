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

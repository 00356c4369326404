-- name: endpoints
SELECT endpoint.merchant_id, endpoint.livemode, endpoint.id, endpoint.url, endpoint.event_types,
       endpoint.secret_encrypted,
       CASE WHEN endpoint.previous_secret_expires_at > %(now)s
            THEN endpoint.previous_secret_encrypted END AS previous_secret_encrypted
  FROM (SELECT DISTINCT merchant_id, livemode
          FROM unnest(%(merchant_ids)s::uuid[], %(livemodes)s::boolean[])
               AS wanted (merchant_id, livemode)) AS wanted
  JOIN webhook_endpoints AS endpoint USING (merchant_id, livemode)
 WHERE endpoint.enabled
 ORDER BY endpoint.merchant_id, endpoint.id;

-- name: decrypt
SELECT encrypted, pgp_sym_decrypt(encrypted, %(pii_key)s) AS secret
  FROM unnest(%(encrypted)s::bytea[]) AS encrypted;

-- name: begin
-- Returns what is to be done: new deliveries, those due again, and failed ones that somebody sent
-- through the queue once more; never what is delivered.
WITH closed AS (
    UPDATE webhook_deliveries AS delivery
       SET status = 'failed', next_retry_at = NULL, last_error = 'the endpoint is disabled'
      FROM unnest(%(event_merchant_ids)s::uuid[], %(events)s::uuid[])
           AS wanted (merchant_id, event_id),
           webhook_endpoints AS endpoint
     WHERE delivery.merchant_id = wanted.merchant_id
       AND delivery.event_id = wanted.event_id
       AND delivery.status = 'pending'
       AND endpoint.merchant_id = delivery.merchant_id
       AND endpoint.id = delivery.endpoint_id
       AND NOT endpoint.enabled
)
INSERT INTO webhook_deliveries AS delivery
       (merchant_id, id, event_id, endpoint_id, status, created_at)
SELECT merchant_id, id, event_id, endpoint_id, 'pending', %(now)s
  FROM unnest(%(merchant_ids)s::uuid[], %(ids)s::uuid[], %(event_ids)s::uuid[],
              %(endpoint_ids)s::uuid[]) AS new (merchant_id, id, event_id, endpoint_id)
 ORDER BY merchant_id, event_id, endpoint_id -- one order of locks for all
    ON CONFLICT (merchant_id, event_id, endpoint_id) DO UPDATE SET status = 'pending'
 WHERE delivery.status <> 'delivered'
RETURNING delivery.id, delivery.event_id, delivery.endpoint_id;

-- name: record
WITH attempts AS (
    SELECT *
      FROM unnest(%(merchant_ids)s::uuid[], %(ids)s::uuid[], %(endpoint_ids)s::uuid[],
                  %(statuses)s::text[], %(attempted_ats)s::timestamptz[],
                  %(retry_ats)s::timestamptz[], %(codes)s::smallint[], %(errors)s::text[],
                  %(gone)s::boolean[])
           AS attempt (merchant_id, id, endpoint_id, status, attempted_at, retry_at, code, error,
                       gone)
), disabled AS (
    UPDATE webhook_endpoints AS endpoint
       SET enabled = false, disabled_reason = 'the receiver answered 410 Gone',
           updated_at = attempts.attempted_at
      FROM attempts
     WHERE attempts.gone
       AND endpoint.merchant_id = attempts.merchant_id
       AND endpoint.id = attempts.endpoint_id
       AND endpoint.enabled
)
UPDATE webhook_deliveries AS delivery
   SET status = attempts.status,
       attempts = delivery.attempts + 1,
       last_attempt_at = attempts.attempted_at,
       next_retry_at = attempts.retry_at,
       last_response_code = attempts.code,
       last_error = attempts.error
  FROM attempts
 WHERE delivery.merchant_id = attempts.merchant_id
   AND delivery.id = attempts.id
   AND delivery.status <> 'delivered';

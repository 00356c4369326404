-- fragment: columns
id, livemode, url, event_types, enabled, description, api_version, disabled_reason, disabled_at,
CASE WHEN previous_secret_expires_at > %(now)s THEN previous_secret_expires_at
     END AS previous_secret_expires_at,
CASE WHEN enabled AND failing_since IS NOT NULL AND rest_until > %(now)s THEN rest_until
     END AS resting_until,
created_at, updated_at

-- fragment: mine
merchant_id = %(merchant_id)s AND livemode = %(livemode)s AND deleted_at IS NULL

-- name: admit
-- One write at a time for each merchant, so that the limit holds; none for one that may not write.
SELECT pg_advisory_xact_lock(hashtextextended('webhook endpoints ' || m.id, 0))
  FROM merchants m JOIN api_keys k ON k.merchant_id = m.id
 WHERE m.id = %(merchant_id)s AND k.id = %(api_key_id)s
   AND m.status = 'active' AND k.revoked_at IS NULL;

-- name: count
SELECT count(*) AS endpoints
  FROM webhook_endpoints
 WHERE
-- include: mine
;

-- name: insert
INSERT INTO webhook_endpoints
       (merchant_id, id, livemode, url, description, event_types, secret_encrypted, enabled,
        disabled_reason, disabled_at, api_version, from_profile, created_at, updated_at)
VALUES (%(merchant_id)s, %(id)s, %(livemode)s, %(url)s, %(description)s, %(event_types)s,
        pgp_sym_encrypt(%(secret)s, %(pii_key)s, 'cipher-algo=aes256'), %(enabled)s,
        %(disabled_reason)s, %(disabled_at)s, %(api_version)s, %(from_profile)s, %(now)s, %(now)s)
RETURNING
-- include: columns
;

-- name: find
SELECT
-- include: columns
  FROM webhook_endpoints
 WHERE id = %(id)s AND
-- include: mine
;

-- name: lock
SELECT coalesce(wanted_types, event_types) AS wanted_types,
       coalesce(wanted_since, array_fill(created_at, ARRAY[cardinality(event_types)])) AS wanted_since,
-- include: columns
  FROM webhook_endpoints
 WHERE id = %(id)s AND
-- include: mine
   FOR UPDATE;

-- name: of_profile
SELECT
-- include: columns
  FROM webhook_endpoints
 WHERE from_profile AND
-- include: mine
;

-- name: update
-- One that begins anew has neither failures nor successes to its name; what it has kept waiting it
-- would by another URL as well, until one is seen to answer soon.
UPDATE webhook_endpoints
   SET url = %(url)s, description = %(description)s, event_types = %(event_types)s,
       enabled = %(enabled)s, api_version = %(api_version)s,
       wanted_types = %(wanted_types)s::text[], wanted_since = %(wanted_since)s::timestamptz[],
       disabled_reason = %(disabled_reason)s, disabled_at = %(disabled_at)s,
       failing_since = CASE WHEN %(begins_anew)s THEN NULL ELSE failing_since END,
       answered_at = CASE WHEN %(begins_anew)s THEN NULL ELSE answered_at END,
       updated_at = %(now)s
 WHERE id = %(id)s AND
-- include: mine
RETURNING
-- include: columns
;

-- name: rotate
UPDATE webhook_endpoints
   SET previous_secret_encrypted = CASE WHEN %(previous_until)s > %(now)s THEN secret_encrypted END,
       previous_secret_expires_at = CASE WHEN %(previous_until)s > %(now)s THEN %(previous_until)s
                                         END,
       secret_encrypted = pgp_sym_encrypt(%(secret)s, %(pii_key)s, 'cipher-algo=aes256'),
       updated_at = %(now)s
 WHERE id = %(id)s AND
-- include: mine
RETURNING
-- include: columns
;

-- name: delete
UPDATE webhook_endpoints
   SET enabled = false, disabled_reason = 'deleted', disabled_at = %(now)s, deleted_at = %(now)s,
       secret_encrypted = NULL, previous_secret_encrypted = NULL, previous_secret_expires_at = NULL,
       updated_at = %(now)s
 WHERE id = %(id)s AND
-- include: mine
RETURNING id;

-- name: next_sequence
UPDATE webhook_endpoints SET sequence = sequence + 1
 WHERE id = %(id)s AND
-- include: mine
RETURNING sequence,
-- include: columns
;

-- name: tell
INSERT INTO outbox
       (id, merchant_id, livemode, type, object_id, sequence, payload, trace_id, created_at)
VALUES (%(event_id)s, %(merchant_id)s, %(livemode)s, %(event_type)s, %(id)s, %(sequence)s,
        %(payload)s::json, %(trace_id)s, %(now)s);

-- fragment: page
id > %(after)s AND id < %(before)s
   AND created_at >= %(created_from)s AND created_at < %(created_until)s
   AND (%(enabled)s::boolean IS NULL OR enabled = %(enabled)s)

-- name: older
-- There are at most a hundred of them.
SELECT true AS matches, row_number() OVER (ORDER BY id DESC) AS looked_at,
-- include: columns
  FROM webhook_endpoints
 WHERE
-- include: mine
   AND
-- include: page
 ORDER BY id DESC
 LIMIT %(rows)s;

-- name: newer
SELECT true AS matches, row_number() OVER (ORDER BY id) AS looked_at,
-- include: columns
  FROM webhook_endpoints
 WHERE
-- include: mine
   AND
-- include: page
 ORDER BY id
 LIMIT %(rows)s;

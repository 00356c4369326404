-- name: insert_audit
INSERT INTO audit_log
    (merchant_id, id, entity_type, entity_id, action, actor_type, actor_id, changes, ip_address,
     user_agent, trace_id, created_at)
VALUES (%(merchant_id)s, %(audit_id)s, %(entity_type)s, %(id)s, %(action)s, %(actor_type)s, %(actor_id)s,
        %(changes)s::jsonb, %(ip_address)s::inet, %(user_agent)s, %(trace_id)s, %(now)s)

-- name: take_key
INSERT INTO idempotency_keys AS stored
    (merchant_id, livemode, key, fingerprint, response_status, response_body, created_at, expires_at)
VALUES (%(merchant_id)s, %(livemode)s, %(key)s, %(fingerprint)s, %(response_status)s,
        %(response_body)s, %(now)s, %(key_expires_at)s)
ON CONFLICT (merchant_id, livemode, key) DO UPDATE
   SET fingerprint = excluded.fingerprint, operation_id = NULL,
       response_status = excluded.response_status, response_body = excluded.response_body,
       created_at = excluded.created_at, expires_at = excluded.expires_at
 WHERE stored.expires_at <= %(now)s
RETURNING 1

-- name: seal
SELECT encode(pgp_sym_encrypt(%(body)s, %(pii_key)s, 'cipher-algo=aes256'), 'base64') AS sealed

-- name: unseal
SELECT pgp_sym_decrypt(decode(%(sealed)s, 'base64'), %(pii_key)s) AS body

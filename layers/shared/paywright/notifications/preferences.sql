-- name: lock
SELECT notifications_off, sequence, email_encrypted AS own_encrypted,
       coalesce(notification_email_encrypted, email_encrypted) AS present_encrypted
  FROM merchants m
 WHERE id = %(merchant_id)s AND status = 'active'
   AND EXISTS (SELECT FROM api_keys k
                WHERE k.merchant_id = m.id AND k.id = %(api_key_id)s AND k.revoked_at IS NULL)
   FOR NO KEY UPDATE;

-- name: decrypt
SELECT pgp_sym_decrypt(%(encrypted)s, %(pii_key)s) AS address;

-- name: change
WITH changed AS (
    UPDATE merchants
       SET notifications_off = %(notifications_off)s,
           notification_email_encrypted = CASE
               WHEN NOT %(changes_email)s THEN notification_email_encrypted
               WHEN %(email)s::text IS NULL THEN NULL
               ELSE pgp_sym_encrypt(%(email)s, %(pii_key)s, 'cipher-algo=aes256') END,
           updated_at = %(now)s
     WHERE id = %(merchant_id)s
)
INSERT INTO audit_log
    (merchant_id, id, entity_type, entity_id, action, actor_type, actor_id, changes, ip_address,
     user_agent, trace_id, created_at)
VALUES (%(merchant_id)s, %(audit_id)s, 'merchant', %(merchant_id)s, 'notifications_changed',
        'api_key', %(actor_id)s, %(changes)s::jsonb, %(ip_address)s::inet, %(user_agent)s,
        %(trace_id)s, %(now)s);

-- name: tell_former
-- The mail's row is here before the mail is: nobody else knows any more where it goes.
WITH counted AS (
    UPDATE merchants SET sequence = %(sequence)s WHERE id = %(merchant_id)s
), addressed AS (
    INSERT INTO notifications
        (merchant_id, event_id, kind, recipient, status, attempts, claimed_until, created_at,
         address_encrypted)
    VALUES (%(merchant_id)s, %(event_id)s, %(kind)s, %(recipient)s, 'waiting', 0, %(now)s, %(now)s,
            %(former_encrypted)s)
)
INSERT INTO outbox
    (id, merchant_id, livemode, type, object_id, sequence, payload, trace_id, created_at)
VALUES (%(event_id)s, %(merchant_id)s, %(livemode)s, %(event_type)s, %(merchant_id)s, %(sequence)s,
        %(payload)s::json, %(trace_id)s, %(now)s);

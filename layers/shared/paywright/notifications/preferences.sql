-- name: lock
SELECT notifications_off
  FROM merchants
 WHERE id = %(merchant_id)s
   FOR NO KEY UPDATE;

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

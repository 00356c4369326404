-- name: find_profile
SELECT m.id, pgp_sym_decrypt(m.name_encrypted, %(pii_key)s) AS name,
       pgp_sym_decrypt(m.email_encrypted, %(pii_key)s) AS email, m.settlement_currency,
       m.fx_spread_bps, m.status, m.created_at, m.notifications_off,
       pgp_sym_decrypt(m.notification_email_encrypted, %(pii_key)s) AS notification_email,
       (SELECT e.url FROM webhook_endpoints e
         WHERE e.merchant_id = m.id AND e.livemode = %(livemode)s AND e.enabled
           AND e.from_profile AND e.deleted_at IS NULL) AS webhook_url
  FROM merchants m
 WHERE m.id = %(merchant_id)s

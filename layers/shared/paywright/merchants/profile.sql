-- name: find_profile
SELECT m.id, m.name_encrypted, m.email_encrypted, m.notification_email_encrypted,
       m.settlement_currency, m.fx_spread_bps, m.status, m.created_at, m.notifications_off,
       (SELECT e.url FROM webhook_endpoints e
         WHERE e.merchant_id = m.id AND e.livemode = %(livemode)s AND e.enabled
           AND e.from_profile AND e.deleted_at IS NULL) AS webhook_url
  FROM merchants m
 WHERE m.id = %(merchant_id)s

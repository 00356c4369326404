-- name: insert_quote
INSERT INTO fx_quotes
    (merchant_id, id, livemode, from_currency, to_currency, rate, rate_source, rate_at, spread_bps,
     created_at, expires_at)
SELECT %(merchant_id)s, %(id)s, %(livemode)s, %(from_currency)s, %(to_currency)s, %(rate)s,
       %(rate_source)s, %(rate_at)s, %(spread_bps)s, %(created_at)s, %(expires_at)s
  FROM merchants m JOIN api_keys k ON k.merchant_id = m.id
 WHERE m.id = %(merchant_id)s AND k.id = %(api_key_id)s
   AND m.status = 'active' AND k.revoked_at IS NULL

-- name: find_quote
SELECT id, livemode, from_currency, to_currency, rate, rate_source, rate_at, spread_bps, created_at,
       expires_at
  FROM fx_quotes
 WHERE merchant_id = %(merchant_id)s AND id = %(id)s AND livemode = %(livemode)s

-- name: insert_merchant
INSERT INTO merchants
    (id, name_encrypted, email_encrypted, email_hash, settlement_currency, rate_limit_per_min,
     fx_spread_bps, created_at, updated_at)
VALUES (%(merchant_id)s, pgp_sym_encrypt(%(name)s, %(pii_key)s, 'cipher-algo=aes256'),
        pgp_sym_encrypt(%(email)s, %(pii_key)s, 'cipher-algo=aes256'), %(email_hash)s,
        %(settlement_currency)s, %(rate_limit_per_min)s, %(fx_spread_bps)s, %(now)s, %(now)s)

-- name: insert_key
INSERT INTO api_keys (merchant_id, id, livemode, key_hash, last_four, created_at)
VALUES (%(merchant_id)s, %(api_key_id)s, %(livemode)s, %(key_hash)s, %(last_four)s, %(now)s)

-- name: insert_event
INSERT INTO outbox (id, merchant_id, livemode, type, object_id, sequence, payload, created_at)
VALUES (%(event_id)s, %(merchant_id)s, %(livemode)s, %(event_type)s, %(api_key_id)s, 1,
        %(event_payload)s::json, %(now)s)

-- name: insert_endpoint
INSERT INTO webhook_endpoints
    (merchant_id, id, livemode, url, secret_encrypted, api_version, from_profile, created_at,
     updated_at)
VALUES (%(merchant_id)s, %(endpoint_id)s, %(livemode)s, %(url)s,
        pgp_sym_encrypt(%(secret)s, %(pii_key)s, 'cipher-algo=aes256'), %(api_version)s, true,
        %(now)s, %(now)s)

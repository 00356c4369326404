-- name: insert_customer
INSERT INTO customers
    (merchant_id, id, livemode, external_id, name_encrypted, email_encrypted, metadata, created_at)
SELECT %(merchant_id)s, %(id)s, %(livemode)s, %(external_id)s,
       pgp_sym_encrypt(%(name)s, %(pii_key)s, 'cipher-algo=aes256'),
       pgp_sym_encrypt(%(email)s, %(pii_key)s, 'cipher-algo=aes256'), %(metadata)s::jsonb, %(now)s
  FROM merchants m JOIN api_keys k ON k.merchant_id = m.id
 WHERE m.id = %(merchant_id)s AND k.id = %(api_key_id)s
   AND m.status = 'active' AND k.revoked_at IS NULL

-- name: find_customer
SELECT id, external_id, pgp_sym_decrypt(name_encrypted, %(pii_key)s) AS name,
       pgp_sym_decrypt(email_encrypted, %(pii_key)s) AS email, metadata, created_at, livemode
  FROM customers
 WHERE merchant_id = %(merchant_id)s AND id = %(id)s AND livemode = %(livemode)s

-- name: customer_exists
SELECT 1 FROM customers
 WHERE merchant_id = %(merchant_id)s AND id = %(id)s AND livemode = %(livemode)s

-- name: insert_method
-- A customer's first payment method is the default one.
INSERT INTO payment_methods
    (merchant_id, id, livemode, customer_id, type, processor, token_vault_ref, fingerprint, risk,
     brand, last_four, exp_month, exp_year, bank_name, country, currency, is_default, created_at)
SELECT %(merchant_id)s, %(id)s, %(livemode)s, %(customer_id)s, %(type)s, %(processor)s, %(token)s,
       %(fingerprint)s, %(risk)s, %(brand)s, %(last_four)s, %(exp_month)s, %(exp_year)s,
       %(bank_name)s, %(country)s, %(currency)s,
       NOT EXISTS (SELECT FROM payment_methods
                    WHERE merchant_id = %(merchant_id)s AND customer_id = %(customer_id)s),
       %(now)s
  FROM merchants m JOIN api_keys k ON k.merchant_id = m.id
 WHERE m.id = %(merchant_id)s AND k.id = %(api_key_id)s
   AND m.status = 'active' AND k.revoked_at IS NULL
RETURNING is_default

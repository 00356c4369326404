-- name: decrypt
SELECT pgp_sym_decrypt(%(encrypted)s, %(pii_key)s) AS text;

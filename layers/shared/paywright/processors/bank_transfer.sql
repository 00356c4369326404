-- name: insert_account
INSERT INTO simulator.bank_accounts (token, scenario, scheme, created_at)
VALUES (%(token)s, %(scenario)s, %(scheme)s, %(now)s)

-- name: find_account
SELECT scenario, scheme FROM simulator.bank_accounts WHERE token = %(token)s

-- name: scheme_of_charge
SELECT account.scheme
  FROM simulator.requests request JOIN simulator.bank_accounts account USING (token)
 WHERE request.reference = %(reference)s

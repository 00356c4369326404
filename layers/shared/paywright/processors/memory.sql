-- name: lock
-- Taken in a statement of its own: the next one sees what was committed while this one waited.
SELECT 1 FROM simulator.requests WHERE reference = %(reference)s FOR UPDATE

-- name: find_charge
SELECT coalesce(card.scenario, account.scenario, 'approved') AS scenario, charge.currency,
       charge.held, charge.captured, charge.refunded
  FROM simulator.charges_at(%(now)s) charge
  LEFT JOIN simulator.cards card ON card.token = charge.token
  LEFT JOIN simulator.bank_accounts account ON account.token = charge.token
 WHERE charge.reference = %(reference)s

-- name: record
INSERT INTO simulator.requests
    (operation_id, processor, kind, reference, token, charge, final, amount, currency, approved,
     pending, decline_code, created_at)
VALUES (%(operation_id)s, %(processor)s, %(kind)s, %(reference)s, %(token)s, %(charge)s, %(final)s,
        %(amount)s, %(currency)s, %(approved)s, %(pending)s, %(decline_code)s, %(now)s)
ON CONFLICT (operation_id) DO NOTHING
RETURNING reference, approved, pending, decline_code, reversed

-- name: find
SELECT reference, approved, pending, decline_code, reversed
  FROM simulator.requests
 WHERE operation_id = %(operation_id)s

-- name: add_notice
INSERT INTO simulator.notices (operation_id, due_at, processor, approved, decline_code)
VALUES (%(operation_id)s, %(due_at)s, %(processor)s, %(decline_code)s::text IS NULL,
        %(decline_code)s::text)

-- name: lookup
SELECT reference, outcome, decline_code, reversed
  FROM simulator.requests_at(%(now)s)
 WHERE operation_id = %(operation_id)s

-- name: lock_of_request
SELECT 1
  FROM simulator.requests
 WHERE reference = (SELECT coalesce(charge, reference) FROM simulator.requests
                     WHERE operation_id = %(operation_id)s)
   FOR UPDATE

-- name: built_upon
-- What an authorization let be captured or refunded, and what a capture let be refunded, stands.
SELECT 1
  FROM simulator.requests_at(%(now)s) mine
 WHERE mine.operation_id = %(operation_id)s AND mine.outcome = 'approved' AND NOT mine.reversed
   AND (mine.kind IN ('authorize', 'sale') AND EXISTS (
            SELECT FROM simulator.requests_at(%(now)s) later
             WHERE later.charge = mine.reference AND later.kind IN ('capture', 'refund')
               AND later.outcome <> 'declined' AND NOT later.reversed)
        OR mine.kind = 'capture' AND EXISTS (
            SELECT FROM simulator.charges_at(%(now)s) charge
             WHERE charge.reference = mine.charge
               AND charge.captured - mine.amount < charge.refunded))

-- name: reverse
-- A request that has not arrived yet finds this row when it does, and is refused.
INSERT INTO simulator.requests
    (operation_id, processor, kind, reference, amount, currency, approved, decline_code, reversed,
     created_at)
VALUES (%(operation_id)s, %(processor)s, 'reversal', %(reference)s, 0, '', false, 'reversed', true,
        %(now)s)
ON CONFLICT (operation_id) DO UPDATE SET reversed = true

-- name: forget_notices
DELETE FROM simulator.notices
 WHERE operation_id = %(operation_id)s AND acknowledged_at IS NULL

-- name: notices
WITH next AS (
    SELECT DISTINCT ON (operation_id) operation_id, due_at
      FROM simulator.notices
     WHERE processor = %(processor)s AND acknowledged_at IS NULL AND due_at <= %(now)s
       AND operation_id <> ALL (%(besides)s::uuid[])
     ORDER BY operation_id, due_at
), due AS (
    SELECT operation_id, due_at FROM next ORDER BY due_at, operation_id LIMIT %(limit)s
), told AS (
    UPDATE simulator.notices n SET told_at = coalesce(n.told_at, %(now)s)
      FROM due
     WHERE n.operation_id = due.operation_id AND n.due_at = due.due_at
    RETURNING n.operation_id, n.due_at, n.approved, n.decline_code
)
SELECT told.*, r.reference FROM told JOIN simulator.requests r USING (operation_id)

-- name: acknowledge
-- Only what was told: the next notice of the same request may have fallen due meanwhile.
UPDATE simulator.notices
   SET acknowledged_at = %(now)s
 WHERE processor = %(processor)s AND operation_id = ANY (%(operation_ids)s)
   AND told_at IS NOT NULL AND acknowledged_at IS NULL

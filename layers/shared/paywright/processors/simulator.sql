-- name: insert_card
INSERT INTO simulator.cards (token, scenario, created_at)
VALUES (%(token)s, %(scenario)s, %(now)s)

-- name: decide
-- The first request with an operation's id decides; every later one is told the same.
WITH decided AS (
    INSERT INTO simulator.requests
        (operation_id, kind, reference, token, amount, currency, approved, decline_code, created_at)
    SELECT %(operation_id)s, %(kind)s, %(reference)s, %(token)s::text, %(amount)s, %(currency)s,
           verdict.decline_code IS NULL, verdict.decline_code, %(now)s
      FROM (SELECT CASE
                WHEN card.scenario LIKE 'declined:%%' THEN substr(card.scenario, 10)
                WHEN card.scenario = 'timeout_declined' THEN 'generic_decline'
                WHEN card.scenario = 'alternates' AND (
                    SELECT count(*) FROM simulator.requests r WHERE r.token = card.token) %% 2 = 1
                    THEN 'generic_decline'
                END AS decline_code
              FROM (SELECT 1) AS once
              LEFT JOIN simulator.cards card ON card.token = %(token)s) AS verdict
    ON CONFLICT (operation_id) DO NOTHING
    RETURNING reference, approved, decline_code, reversed
)
SELECT decided.*, (SELECT scenario FROM simulator.cards WHERE token = %(token)s) AS scenario
  FROM decided
UNION ALL
SELECT reference, approved, decline_code, reversed, NULL
  FROM simulator.requests
 WHERE operation_id = %(operation_id)s AND NOT EXISTS (SELECT FROM decided)

-- name: find
SELECT reference, approved, decline_code, reversed
  FROM simulator.requests
 WHERE operation_id = %(operation_id)s

-- name: reverse
-- A request that has not arrived yet finds this row when it does, and is refused.
INSERT INTO simulator.requests
    (operation_id, kind, reference, amount, currency, approved, decline_code, reversed, created_at)
VALUES (%(operation_id)s, 'reversal', %(reference)s, 0, '', false, 'reversed', true, %(now)s)
ON CONFLICT (operation_id) DO UPDATE SET reversed = true

-- name: insert_card
INSERT INTO simulator.cards (token, scenario, created_at)
VALUES (%(token)s, %(scenario)s, %(now)s)

-- name: authorize
-- The first request with an operation's id decides; every later one is told the same. One
-- statement, because most requests are of this kind, and it does not wait for the disk: whoever
-- writes down what it answered waits for all that was written before.
WITH decided AS (
    INSERT INTO simulator.requests
        (operation_id, kind, reference, token, amount, currency, approved, decline_code, created_at)
    SELECT %(operation_id)s, %(kind)s, %(reference)s, %(token)s::text, %(amount)s, %(currency)s,
           verdict.decline_code IS NULL, verdict.decline_code, %(now)s
      FROM (SELECT CASE
                WHEN %(decline_code)s::text IS NOT NULL THEN %(decline_code)s
                WHEN card.token IS NULL THEN 'card_not_found'
                WHEN card.scenario LIKE 'declined:%%' THEN substr(card.scenario, 10)
                WHEN card.scenario = 'timeout_declined' THEN 'generic_decline'
                WHEN card.scenario = 'alternates' AND (
                    SELECT count(*) FROM simulator.requests r WHERE r.token = card.token) %% 2 = 1
                    THEN 'generic_decline'
                END AS decline_code
              FROM (SELECT set_config('synchronous_commit', 'off', true)) AS unhurried
              LEFT JOIN simulator.cards card ON card.token = %(token)s
             WHERE card.scenario IS DISTINCT FROM 'timeout_lost') AS verdict
    ON CONFLICT (operation_id) DO NOTHING
    RETURNING reference, approved, pending, decline_code, reversed
)
SELECT decided.*, (SELECT scenario FROM simulator.cards WHERE token = %(token)s) AS scenario
  FROM decided
UNION ALL
SELECT reference, approved, pending, decline_code, reversed, NULL
  FROM simulator.requests
 WHERE operation_id = %(operation_id)s AND NOT EXISTS (SELECT FROM decided)

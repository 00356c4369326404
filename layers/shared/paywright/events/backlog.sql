-- name: waiting
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT %(most)s) AS counted) AS waiting,
       (SELECT created_at FROM outbox ORDER BY id LIMIT 1) AS oldest

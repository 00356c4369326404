-- fragment: newest
-- Of the newest attempts alone, so that an endpoint with millions costs no more than others.
WITH newest AS MATERIALIZED (
    SELECT at, status_code, error, duration_ms
      FROM webhook_attempts
     WHERE endpoint_id = %(id)s AND merchant_id = %(merchant_id)s
       AND at > %(now)s - interval '7 days'
     ORDER BY at DESC
     LIMIT %(most)s
)

-- name: stats
-- include: newest
SELECT period.name, greatest(period.since, looked_at.since) AS since, count(newest.at) AS attempts,
       count(*) FILTER (WHERE status_code BETWEEN 200 AND 299) AS succeeded,
       percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY duration_ms)
           FILTER (WHERE status_code IS NOT NULL) AS durations_ms
  FROM (VALUES ('last_24_hours', %(now)s - interval '24 hours'),
               ('last_7_days', %(now)s - interval '7 days')) AS period (name, since)
       CROSS JOIN (SELECT CASE WHEN count(*) = %(most)s THEN min(at) END AS since
                     FROM newest) AS looked_at
       LEFT JOIN newest ON newest.at > period.since
 GROUP BY period.name, period.since, looked_at.since;

-- name: last_failed
-- include: newest
SELECT at, status_code, error
  FROM newest
 WHERE (status_code BETWEEN 200 AND 299) IS NOT TRUE
 ORDER BY at DESC
 LIMIT 1;

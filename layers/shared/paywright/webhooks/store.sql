-- fragment: endpoint
endpoint.merchant_id, endpoint.id AS endpoint_id, endpoint.url, endpoint.secret_encrypted,
CASE WHEN endpoint.previous_secret_expires_at > %(now)s
     THEN endpoint.previous_secret_encrypted END AS previous_secret_encrypted,
endpoint.sequence AS endpoint_sequence, endpoint.answered_at, endpoint.failing_since,
endpoint.failures, endpoint.slow,
coalesce(endpoint.wanted_types, endpoint.event_types) AS wanted_types,
coalesce(endpoint.wanted_since,
         array_fill(endpoint.created_at, ARRAY[cardinality(endpoint.event_types)])) AS wanted_since

-- fragment: endpoints_that_wait
-- One look into the index for each of them, however much waits.
waits (endpoint_id, merchant_id) AS (
    (SELECT endpoint_id, merchant_id FROM webhook_waiting ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT next.*
      FROM waits CROSS JOIN LATERAL (
           SELECT w.endpoint_id, w.merchant_id FROM webhook_waiting w
            WHERE w.endpoint_id > waits.endpoint_id ORDER BY w.endpoint_id LIMIT 1) AS next
)

-- name: plan
-- Every enabled endpoint beside every event of its merchant, with what became of that already.
SELECT event.number, event.id AS event_id, delivery.id AS delivery_id, delivery.status,
       delivery.turn,
-- include: endpoint
  FROM unnest(%(merchant_ids)s::uuid[], %(livemodes)s::boolean[], %(numbers)s::integer[],
              %(events)s::uuid[]) AS event (merchant_id, livemode, number, id)
       -- Looks into indexes, whatever the planner thinks of tables that were small a moment ago.
       CROSS JOIN LATERAL (
           SELECT * FROM webhook_endpoints AS e
            WHERE e.merchant_id = event.merchant_id AND e.livemode = event.livemode AND e.enabled
           OFFSET 0) AS endpoint
       LEFT JOIN LATERAL (
           SELECT * FROM webhook_deliveries AS d
            WHERE d.event_id = event.id AND d.endpoint_id = endpoint.id
              AND d.merchant_id = event.merchant_id
           OFFSET 0) AS delivery ON true;

-- name: decrypt
SELECT pgp_sym_decrypt(%(encrypted)s, %(pii_key)s) AS secret;

-- fragment: failures
(CASE WHEN seen.succeeded OR endpoint.failing_since IS NULL THEN seen.failures
      ELSE endpoint.failures + seen.failures END)

-- fragment: rest_s
(CASE WHEN (CASE WHEN seen.succeeded OR endpoint.failing_since IS NULL THEN seen.failures
                 ELSE endpoint.failures + seen.failures END) < %(broken_after)s THEN 0
      WHEN seen.succeeded OR endpoint.failing_since IS NULL THEN %(first_rest_s)s
      WHEN endpoint.rest_until > seen.began THEN endpoint.rest_s
      ELSE least(%(longest_rest_s)s, greatest(%(first_rest_s)s, 2 * endpoint.rest_s)) END)

-- name: record
-- The delivery, its attempt, what is still to be done with it, and the endpoint's health: all of it,
-- or none. What another copy of the event has delivered meanwhile stays so, with one attempt more, and
-- what somebody has sent again meanwhile (another turn) waits to be sent as it did.
-- An attempt, which a delivery and a moment name, comes again where the answer to its record was
-- lost, perhaps while that is still being made: what is counted is what was not there.
-- A rest that somebody ended stays so for all that began before: that says nothing of now.
WITH outcome AS (
    SELECT *
      FROM unnest(%(merchant_ids)s::uuid[], %(ids)s::uuid[], %(event_ids)s::uuid[],
                  %(endpoint_ids)s::uuid[], %(statuses)s::text[], %(tries)s::smallint[],
                  %(attempted_ats)s::timestamptz[], %(due_ats)s::timestamptz[],
                  %(codes)s::smallint[], %(errors)s::text[], %(durations_ms)s::integer[],
                  %(excerpts)s::text[], %(trace_ids)s::text[], %(livemodes)s::boolean[],
                  %(asked_for)s::boolean[], %(turns)s::integer[])
           AS outcome (merchant_id, id, event_id, endpoint_id, status, tries, attempted_at, due_at,
                       code, error, duration_ms, excerpt, trace_id, livemode, asked_for, turn)
), delivery AS (
    INSERT INTO webhook_deliveries AS delivery
           (merchant_id, id, livemode, event_id, endpoint_id, status, attempts, tries, turn,
            last_attempt_at, next_retry_at, last_response_code, last_error, created_at)
    SELECT merchant_id, id, livemode, event_id, endpoint_id, status, (attempted_at IS NOT NULL)::integer,
           tries, turn, attempted_at, CASE status WHEN 'pending' THEN due_at END, code, error, %(now)s
      FROM outcome
     ORDER BY merchant_id, event_id, endpoint_id -- one order of locks for all
        ON CONFLICT (event_id, endpoint_id, merchant_id) DO UPDATE
       SET status = CASE WHEN delivery.status = 'delivered' OR delivery.turn <> excluded.turn
                         THEN delivery.status ELSE excluded.status END,
           attempts = delivery.attempts + excluded.attempts,
           tries = CASE WHEN delivery.status = 'delivered' OR delivery.turn <> excluded.turn
                        THEN delivery.tries ELSE excluded.tries END,
           next_retry_at = CASE WHEN delivery.status = 'delivered' OR delivery.turn <> excluded.turn
                                THEN delivery.next_retry_at ELSE excluded.next_retry_at END,
           last_attempt_at = coalesce(excluded.last_attempt_at, delivery.last_attempt_at),
           last_response_code = CASE excluded.attempts WHEN 0 THEN delivery.last_response_code
                                     ELSE excluded.last_response_code END,
           last_error = CASE excluded.attempts WHEN 0 THEN delivery.last_error
                             ELSE excluded.last_error END
     WHERE CASE WHEN excluded.last_attempt_at IS NULL
                THEN delivery.status <> 'delivered' AND delivery.turn = excluded.turn
                ELSE delivery.last_attempt_at IS DISTINCT FROM excluded.last_attempt_at
                     AND NOT EXISTS (SELECT FROM webhook_attempts AS known
                                      WHERE known.delivery_id = delivery.id
                                        AND known.at = excluded.last_attempt_at
                                     OFFSET 0) END
    RETURNING merchant_id, id, event_id, endpoint_id, status, attempts, turn, xmax <> 0 AS is_old
), told AS (
    INSERT INTO webhook_attempts
           (merchant_id, delivery_id, number, endpoint_id, at, status_code, error, duration_ms,
            excerpt)
    SELECT delivery.merchant_id, delivery.id, delivery.attempts, delivery.endpoint_id,
           outcome.attempted_at, outcome.code, outcome.error, outcome.duration_ms, outcome.excerpt
      FROM delivery JOIN outcome USING (event_id, endpoint_id)
     WHERE outcome.attempted_at IS NOT NULL
    RETURNING endpoint_id
), news AS MATERIALIZED ( -- an endpoint's attempts are all of them told for the first time, or none
    SELECT *
      FROM unnest(%(seen_merchant_ids)s::uuid[], %(seen_endpoint_ids)s::uuid[],
                  %(seen_ats)s::timestamptz[], %(seen_succeeded)s::boolean[],
                  %(seen_failures)s::integer[], %(seen_failing_since)s::timestamptz[],
                  %(seen_slow)s::boolean[], %(seen_urls)s::text[], %(seen_began)s::timestamptz[])
           AS seen (merchant_id, endpoint_id, at, succeeded, failures, failing_since, slow, url, began)
     WHERE seen.endpoint_id IN (SELECT endpoint_id FROM told)
        OR seen.endpoint_id NOT IN (SELECT endpoint_id FROM outcome WHERE attempted_at IS NOT NULL)
), waiting AS (
    INSERT INTO webhook_waiting AS waiting
           (endpoint_id, delivery_id, merchant_id, due_at, trace_id, asked_for, dead_letter)
    SELECT delivery.endpoint_id, delivery.id, delivery.merchant_id, outcome.due_at, outcome.trace_id,
           outcome.asked_for, delivery.status = 'failed'
      FROM delivery JOIN outcome USING (event_id, endpoint_id, turn)
     WHERE outcome.due_at IS NOT NULL AND delivery.status <> 'delivered'
        ON CONFLICT (endpoint_id, delivery_id) DO UPDATE
       SET due_at = excluded.due_at, asked_for = waiting.asked_for OR excluded.asked_for,
           dead_letter = excluded.dead_letter
), done AS (
    DELETE FROM webhook_waiting AS waiting
     USING delivery JOIN outcome USING (event_id, endpoint_id, turn)
     WHERE outcome.due_at IS NULL AND delivery.is_old
       AND waiting.endpoint_id = delivery.endpoint_id AND waiting.delivery_id = delivery.id
), woken AS ( -- somebody has something sent there, to see whether it works again
    UPDATE webhook_endpoints AS endpoint SET rest_until = %(now)s
      FROM outcome
     WHERE outcome.asked_for AND outcome.tries = 0
       AND endpoint.merchant_id = outcome.merchant_id AND endpoint.id = outcome.endpoint_id
       AND endpoint.failing_since IS NOT NULL
       AND endpoint.id NOT IN (SELECT endpoint_id FROM news)
)
UPDATE webhook_endpoints AS endpoint
   SET answered_at = CASE WHEN seen.succeeded THEN seen.at ELSE endpoint.answered_at END,
       slow = seen.slow,
       failing_since = CASE WHEN seen.succeeded THEN seen.failing_since
                            ELSE coalesce(endpoint.failing_since, seen.failing_since) END,
       failures =
-- include: failures
       , rest_s =
-- include: rest_s
       , rest_until = CASE
            WHEN endpoint.failing_since IS NOT NULL AND endpoint.rest_until > seen.began
                 AND NOT seen.succeeded THEN endpoint.rest_until
            WHEN
-- include: failures
                 >= %(broken_after)s THEN seen.at + make_interval(secs =>
-- include: rest_s
            ) END
  FROM news AS seen
 WHERE endpoint.merchant_id = seen.merchant_id AND endpoint.id = seen.endpoint_id
   AND endpoint.url = seen.url; -- what a former receiver answered says nothing of the present one

-- name: disable
-- With the event, or not at all. Whoever changed the endpoint meanwhile is heard first: what was
-- said of another URL says nothing of this one, and an answer ends what were failures only.
WITH disabled AS (
    UPDATE webhook_endpoints
       SET enabled = false, disabled_reason = %(reason)s, disabled_at = %(now)s, updated_at = %(now)s,
           sequence = sequence + 1
     WHERE merchant_id = %(merchant_id)s AND id = %(id)s AND enabled AND sequence = %(sequence)s
       AND url = %(url)s
       AND (%(failing_since)s::timestamptz IS NULL OR failing_since = %(failing_since)s)
    RETURNING merchant_id, id, livemode, sequence
)
INSERT INTO outbox (id, merchant_id, livemode, type, object_id, sequence, payload, created_at)
SELECT %(event_id)s, merchant_id, livemode, %(event_type)s, id, sequence, %(payload)s::json, %(now)s
  FROM disabled;

-- fragment: can_be_next
w.endpoint_id = places.endpoint_id AND w.due_at <= %(now)s
AND w.delivery_id <> ALL (%(under_way)s::uuid[])

-- name: take
-- What is due, for each endpoint as much as it may have at once, beside what it has already. Those
-- that are well come first (0), then those of which nothing is known (1), then those that fail or are
-- slow (2): the latter have a share each, so that they never take all there is. Each merchant has one
-- under way before another has a second. Of one endpoint's, what somebody asked for comes first; of a
-- disabled one's, there is nothing but dead letters. No more is read than is taken, however much waits.
-- What is taken is due again at `until`, should nobody tell before that what came of it.
WITH RECURSIVE
-- include: endpoints_that_wait
, places AS (
    SELECT waits.endpoint_id, waits.merchant_id, endpoint.enabled, coalesce(busy.deliveries, 0) AS busy,
           CASE WHEN endpoint.failing_since IS NOT NULL OR endpoint.slow THEN 2
                WHEN endpoint.answered_at IS NULL THEN 1 ELSE 0 END AS kind,
           CASE WHEN NOT endpoint.enabled
                     OR endpoint.failing_since IS NULL AND endpoint.answered_at IS NOT NULL
                THEN %(at_once)s
                WHEN endpoint.failing_since IS NOT NULL AND endpoint.rest_until > %(now)s THEN 0
                ELSE 1 END - coalesce(busy.deliveries, 0) AS free
      FROM waits
           CROSS JOIN LATERAL (
               SELECT * FROM webhook_endpoints AS e
                WHERE e.merchant_id = waits.merchant_id AND e.id = waits.endpoint_id
               OFFSET 0) AS endpoint
      LEFT JOIN unnest(%(busy_endpoints)s::uuid[], %(busy_deliveries)s::integer[])
           AS busy (endpoint_id, deliveries) ON busy.endpoint_id = waits.endpoint_id
     WHERE endpoint.deleted_at IS NULL
), busy_merchants AS (
    SELECT merchant_id, kind = 0 AS is_well, sum(busy) AS deliveries
      FROM places
     GROUP BY merchant_id, is_well
), next AS (
    SELECT places.kind, places.kind = 0 AS is_well, places.merchant_id, next.*,
           row_number() OVER (PARTITION BY places.merchant_id, places.kind
                                  ORDER BY next.asked_for DESC, next.due_at) AS number
      FROM places CROSS JOIN LATERAL (
           WITH asked_for AS MATERIALIZED (
               SELECT w.ctid AS row_at, w.due_at, w.asked_for FROM webhook_waiting w
                WHERE places.enabled AND w.asked_for AND
-- include: can_be_next
                ORDER BY w.due_at
                LIMIT greatest(places.free, 0)
           )
           SELECT * FROM asked_for
           UNION ALL
           (SELECT w.ctid AS row_at, w.due_at, w.asked_for FROM webhook_waiting w
             WHERE places.enabled AND NOT w.asked_for AND
-- include: can_be_next
             ORDER BY w.due_at
             LIMIT greatest(places.free, 0) - (SELECT count(*) FROM asked_for))
           UNION ALL
           (SELECT w.ctid AS row_at, w.due_at, w.asked_for FROM webhook_waiting w
             WHERE NOT places.enabled AND w.dead_letter AND
-- include: can_be_next
             ORDER BY w.due_at
             LIMIT greatest(places.free, 0))) AS next
), due AS (
    SELECT *, row_number() OVER (PARTITION BY kind
                                     ORDER BY busy_merchants.deliveries + number, due_at) AS place
      FROM next JOIN busy_merchants USING (merchant_id, is_well)
), chosen AS (
    SELECT row_at FROM due
     WHERE place <= CASE kind WHEN 1 THEN %(for_the_new)s WHEN 2 THEN %(for_the_ill)s ELSE %(limit)s END
     ORDER BY kind, place
     LIMIT %(limit)s
), taken AS (
    UPDATE webhook_waiting AS waiting SET due_at = %(until)s
     WHERE waiting.ctid = ANY (ARRAY(SELECT row_at FROM chosen)) -- no plan for this reads all that waits
       AND waiting.due_at <= %(now)s
    RETURNING waiting.*
)
SELECT delivery.id AS delivery_id, delivery.event_id, delivery.status,
       delivery.tries, delivery.turn, delivery.last_error, delivery.last_response_code, taken.trace_id,
       taken.asked_for,
       coalesce(kept.livemode, fresh.livemode) AS livemode,
       coalesce(kept.type, fresh.type) AS type,
       coalesce(kept.sequence, fresh.sequence) AS sequence,
       coalesce(kept.payload, fresh.payload)::text AS payload,
-- include: endpoint
  FROM taken
       -- One look into an index for each: a join would read all deliveries that there ever were.
       CROSS JOIN LATERAL (
           SELECT * FROM webhook_deliveries AS d
            WHERE d.merchant_id = taken.merchant_id AND d.id = taken.delivery_id
           OFFSET 0) AS delivery
       CROSS JOIN LATERAL (
           SELECT * FROM webhook_endpoints AS e
            WHERE e.merchant_id = taken.merchant_id AND e.id = taken.endpoint_id
           OFFSET 0) AS endpoint
       LEFT JOIN LATERAL (
           SELECT * FROM events AS e
            WHERE e.merchant_id = taken.merchant_id AND e.id = delivery.event_id
           OFFSET 0) AS kept ON true
       LEFT JOIN LATERAL (
           SELECT * FROM outbox AS o WHERE o.id = delivery.event_id
           OFFSET 0) AS fresh ON true; -- the relay has not finished with it

-- name: next_due
-- When something can be sent next, after a moment. An endpoint that rests is sent nothing before that
-- is over; to one that has under way what it may have something is sent when some of that is over.
WITH RECURSIVE
-- include: endpoints_that_wait
SELECT min(greatest(next.due_at, endpoint.rests_until)) AS due_at
  FROM waits
       CROSS JOIN LATERAL (
           SELECT *, CASE WHEN e.failing_since IS NOT NULL AND e.rest_until > %(after)s
                          THEN e.rest_until END AS rests_until
             FROM webhook_endpoints AS e
            WHERE e.merchant_id = waits.merchant_id AND e.id = waits.endpoint_id
           OFFSET 0) AS endpoint
  LEFT JOIN unnest(%(busy_endpoints)s::uuid[], %(busy_deliveries)s::integer[])
       AS busy (endpoint_id, deliveries) ON busy.endpoint_id = waits.endpoint_id
       CROSS JOIN LATERAL (
           SELECT w.due_at FROM webhook_waiting w
            WHERE w.endpoint_id = waits.endpoint_id
              AND w.due_at > CASE WHEN endpoint.rests_until IS NULL THEN %(after)s
                                  ELSE '-infinity' END
            ORDER BY w.due_at LIMIT 1) AS next
 WHERE endpoint.enabled
   AND coalesce(busy.deliveries, 0)
       < CASE WHEN endpoint.failing_since IS NULL AND endpoint.answered_at IS NOT NULL
              THEN %(at_once)s ELSE 1 END;

-- name: close
-- What waits for an endpoint that is disabled, deleted or not even there. What had failed for good
-- before it was disabled waits for the dead-letter queue, and goes on waiting.
WITH RECURSIVE
-- include: endpoints_that_wait
, closed AS (
    SELECT w.endpoint_id, w.delivery_id, w.merchant_id, endpoint.deleted_at IS NULL
           AND endpoint.id IS NOT NULL AS is_there
      FROM waits
      LEFT JOIN webhook_endpoints AS endpoint
        ON endpoint.merchant_id = waits.merchant_id AND endpoint.id = waits.endpoint_id
      JOIN webhook_waiting AS w ON w.endpoint_id = waits.endpoint_id
     WHERE endpoint.enabled IS NOT TRUE
       AND NOT (endpoint.id IS NOT NULL AND endpoint.deleted_at IS NULL
                AND w.dead_letter)
     LIMIT %(limit)s
), gone AS (
    DELETE FROM webhook_waiting AS waiting USING closed
     WHERE waiting.endpoint_id = closed.endpoint_id AND waiting.delivery_id = closed.delivery_id
)
UPDATE webhook_deliveries AS delivery
   SET status = 'failed', next_retry_at = NULL,
       last_error = CASE WHEN closed.is_there THEN 'the endpoint is disabled'
                         ELSE 'the endpoint was deleted' END
  FROM closed
 WHERE delivery.merchant_id = closed.merchant_id AND delivery.id = closed.delivery_id
   AND delivery.status = 'pending';

-- name: is_failed
SELECT 1 FROM webhook_deliveries
 WHERE merchant_id = %(merchant_id)s AND id = %(id)s AND status = 'failed';

-- name: settle
-- By the delivery's own lock: whoever sends it again has that first, and then it is not failed.
WITH failed AS (
    SELECT endpoint_id, id FROM webhook_deliveries
     WHERE merchant_id = %(merchant_id)s AND id = %(id)s AND status = 'failed'
       FOR UPDATE
)
DELETE FROM webhook_waiting AS waiting USING failed
 WHERE waiting.endpoint_id = failed.endpoint_id AND waiting.delivery_id = failed.id;

-- name: give_up
-- These are not sent: their events are kept no longer, or not wanted any more. What somebody has
-- sent again since they were taken is due at another moment, and stays.
WITH gone AS (
    DELETE FROM webhook_waiting AS waiting
     USING unnest(%(endpoint_ids)s::uuid[], %(ids)s::uuid[], %(reasons)s::text[])
           AS done (endpoint_id, delivery_id, reason)
     WHERE waiting.endpoint_id = done.endpoint_id AND waiting.delivery_id = done.delivery_id
       AND waiting.due_at = %(until)s
    RETURNING waiting.merchant_id, waiting.delivery_id, done.reason
)
UPDATE webhook_deliveries AS delivery
   SET status = 'failed', next_retry_at = NULL, last_error = gone.reason
  FROM gone
 WHERE delivery.merchant_id = gone.merchant_id AND delivery.id = gone.delivery_id
   AND delivery.status = 'pending';

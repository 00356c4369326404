-- migrate:up

-- What is known of an endpoint from its answers. `failures` counts those in a row, and only while
-- `failing_since` says since when; `slow` is one whose last answer took long or never came;
-- `rest_until` is until when a broken one is left alone, `rest_s` how long that is.
ALTER TABLE webhook_endpoints
    ADD COLUMN answered_at timestamptz,
    ADD COLUMN failures    integer NOT NULL DEFAULT 0,
    ADD COLUMN slow        boolean NOT NULL DEFAULT false,
    ADD COLUMN rest_until  timestamptz,
    ADD COLUMN rest_s      integer NOT NULL DEFAULT 0,
    SET (fillfactor = 60);

-- `tries` counts the attempts since the delivery was last begun anew, `attempts` all of them.
ALTER TABLE webhook_deliveries
    ALTER COLUMN attempts TYPE integer, -- one may be sent again as often as somebody likes
    ADD COLUMN livemode boolean,
    ADD COLUMN tries smallint NOT NULL DEFAULT 0;
UPDATE webhook_deliveries SET livemode = coalesce(
    (SELECT endpoint.livemode FROM webhook_endpoints AS endpoint
      WHERE endpoint.merchant_id = webhook_deliveries.merchant_id
        AND endpoint.id = webhook_deliveries.endpoint_id), false);
ALTER TABLE webhook_deliveries ALTER COLUMN livemode SET NOT NULL;
-- Old rows are found by the time in their ids, which are as good as in order.
CREATE INDEX webhook_deliveries_age ON webhook_deliveries USING brin (id) WITH (pages_per_range = 16);

-- Every attempt, for 30 days: partitions would be as many as days, a range of the key does as well.
CREATE TABLE webhook_attempts (
    merchant_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    number      integer NOT NULL,
    endpoint_id uuid NOT NULL,
    at          timestamptz NOT NULL,
    status_code smallint,
    error       text,
    duration_ms integer NOT NULL,
    excerpt     text, -- how the answer's body begins
    PRIMARY KEY (delivery_id, number)
);
CREATE INDEX webhook_attempts_endpoint ON webhook_attempts (endpoint_id, at);

-- Deliveries that are to be attempted at a time, or again if nobody has told what came of that.
-- Small: a delivery that succeeds at once is never here.
CREATE TABLE webhook_waiting (
    endpoint_id uuid NOT NULL,
    delivery_id uuid NOT NULL,
    merchant_id uuid NOT NULL,
    due_at      timestamptz NOT NULL,
    trace_id    text,
    PRIMARY KEY (endpoint_id, delivery_id)
);
CREATE INDEX webhook_waiting_due ON webhook_waiting (endpoint_id, due_at);
-- So far the queue knew when these were due, and it asks for them once more at least.
INSERT INTO webhook_waiting (endpoint_id, delivery_id, merchant_id, due_at)
SELECT endpoint_id, id, merchant_id, coalesce(next_retry_at, created_at)
  FROM webhook_deliveries WHERE status = 'pending';

GRANT SELECT, INSERT ON webhook_attempts TO paywright_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_waiting TO paywright_app;
GRANT DELETE ON webhook_attempts TO paywright_housekeeping;
GRANT SELECT ON webhook_attempts, webhook_waiting TO paywright_readonly;

-- migrate:down

DROP TABLE webhook_waiting, webhook_attempts;
DROP INDEX webhook_deliveries_age;
ALTER TABLE webhook_deliveries
    DROP COLUMN tries, DROP COLUMN livemode, ALTER COLUMN attempts TYPE smallint;
ALTER TABLE webhook_endpoints
    DROP COLUMN answered_at, DROP COLUMN failures, DROP COLUMN slow, DROP COLUMN rest_until,
    DROP COLUMN rest_s, RESET (fillfactor);

-- migrate:up

-- An attempt is named by its delivery and its moment, and is here once, even if it is told again
-- while it is being told. The index by which an endpoint's attempts are found sees to that as well.
DELETE FROM webhook_attempts AS again
 USING webhook_attempts AS first
 WHERE first.delivery_id = again.delivery_id AND first.at = again.at
   AND first.number < again.number;
CREATE UNIQUE INDEX webhook_attempts_once ON webhook_attempts (endpoint_id, at, delivery_id);
DROP INDEX webhook_attempts_endpoint;

-- migrate:down

CREATE INDEX webhook_attempts_endpoint ON webhook_attempts (endpoint_id, at);
DROP INDEX webhook_attempts_once;

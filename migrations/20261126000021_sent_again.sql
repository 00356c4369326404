-- migrate:up

-- What somebody asked for is sent before what else is due at an endpoint, however much that is.
CREATE INDEX webhook_waiting_asked_for ON webhook_waiting (endpoint_id, due_at) WHERE asked_for;

-- How often somebody has had it sent again: what comes of an attempt from before says nothing of that.
ALTER TABLE webhook_deliveries ADD COLUMN turn integer NOT NULL DEFAULT 0;

-- migrate:down

ALTER TABLE webhook_deliveries DROP COLUMN turn;
DROP INDEX webhook_waiting_asked_for;

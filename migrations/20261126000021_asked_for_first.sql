-- migrate:up

-- What somebody asked for is sent before what else is due at an endpoint, however much that is.
CREATE INDEX webhook_waiting_asked_for ON webhook_waiting (endpoint_id, due_at) WHERE asked_for;

-- migrate:down

DROP INDEX webhook_waiting_asked_for;

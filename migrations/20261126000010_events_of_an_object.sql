-- migrate:up

-- GET /v1/events?object_id=…: an object has few events, a merchant many.
CREATE INDEX events_of_object ON events (object_id, merchant_id);

-- migrate:down

DROP INDEX events_of_object;

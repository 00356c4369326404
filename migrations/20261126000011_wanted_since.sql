-- migrate:up

-- Since when an endpoint wants which events: one filter and one moment in each place of the two
-- arrays. Null: what it wants it has wanted since it was made. A wider filter takes the place of a
-- narrow one with a moment of its own, and the narrow one stays here with its.
ALTER TABLE webhook_endpoints
    ADD COLUMN wanted_types text[],
    ADD COLUMN wanted_since timestamptz[];

-- Of an event that was put on the bus as often as it ever is, whether an endpoint should have got it
-- and none has; null until somebody has looked. There are few that were put there more than once.
ALTER TABLE events ADD COLUMN lost boolean;
CREATE INDEX events_relayed_again ON events (relayed_at) WHERE relays > 1 AND lost IS NULL;

-- migrate:down

DROP INDEX events_relayed_again;
ALTER TABLE events DROP COLUMN lost;
ALTER TABLE webhook_endpoints DROP COLUMN wanted_types, DROP COLUMN wanted_since;

-- migrate:up

-- Whether a delivery waits because somebody asked for it: it is sent whatever its endpoint wants.
-- Any other waits for an endpoint that may want it no longer by the time it is due.
ALTER TABLE webhook_waiting ADD COLUMN asked_for boolean NOT NULL DEFAULT false;

-- migrate:down

ALTER TABLE webhook_waiting DROP COLUMN asked_for;

-- migrate:up

-- The simulated processor's own memory, as if it ran elsewhere: what it was asked and what it
-- answered survives a crash of whoever asked. A card is kept as the way it behaves, not its number.
CREATE SCHEMA simulator;

CREATE TABLE simulator.cards (
    token       text PRIMARY KEY,
    scenario    text NOT NULL,
    created_at  timestamptz NOT NULL
);

CREATE TABLE simulator.requests (
    operation_id uuid PRIMARY KEY,
    kind         text NOT NULL,
    reference    text NOT NULL,
    token        text,
    amount       bigint NOT NULL,
    currency     text NOT NULL,
    approved     boolean NOT NULL,
    decline_code text,
    reversed     boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL
);
CREATE INDEX requests_token ON simulator.requests (token) WHERE token IS NOT NULL;

GRANT USAGE ON SCHEMA simulator TO paywright_app;
GRANT SELECT, INSERT, UPDATE ON simulator.cards, simulator.requests TO paywright_app;

-- migrate:down

DROP SCHEMA simulator CASCADE;

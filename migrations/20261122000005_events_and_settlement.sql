-- migrate:up

-- An event is written here in the transaction of its cause; the relay moves it to `events` as it
-- puts it on the bus. `payload` is the event as merchants receive it, byte for byte.
CREATE TABLE outbox (
    id          uuid PRIMARY KEY,
    merchant_id uuid NOT NULL,
    livemode    boolean NOT NULL,
    type        text NOT NULL,
    object_id   uuid NOT NULL,
    sequence    integer NOT NULL,
    payload     json NOT NULL,
    trace_id    text,
    created_at  timestamptz NOT NULL
);

CREATE TABLE events (
    merchant_id uuid NOT NULL,
    id          uuid NOT NULL,
    livemode    boolean NOT NULL,
    type        text NOT NULL,
    object_id   uuid NOT NULL,
    sequence    integer NOT NULL,
    payload     json NOT NULL,
    created_at  timestamptz NOT NULL,
    relayed_at  timestamptz NOT NULL,
    relays      smallint NOT NULL DEFAULT 1, -- how often it was put on the bus
    PRIMARY KEY (merchant_id, id)
);
CREATE INDEX events_relayed ON events (relayed_at);

CREATE TABLE webhook_endpoints (
    merchant_id      uuid NOT NULL REFERENCES merchants,
    id               uuid NOT NULL,
    livemode         boolean NOT NULL,
    url              text NOT NULL CHECK (length(url) <= 2048),
    description      text,
    event_types      text[] NOT NULL DEFAULT '{*}',
    secret_encrypted bytea NOT NULL,
    previous_secret_encrypted  bytea,
    previous_secret_expires_at timestamptz,
    enabled          boolean NOT NULL DEFAULT true,
    disabled_reason  text,
    api_version      text NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
);

CREATE TABLE webhook_deliveries (
    merchant_id        uuid NOT NULL,
    id                 uuid NOT NULL,
    event_id           uuid NOT NULL,
    endpoint_id        uuid NOT NULL,
    status             text NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
    attempts           smallint NOT NULL DEFAULT 0,
    last_attempt_at    timestamptz,
    next_retry_at      timestamptz,
    last_response_code smallint,
    last_error         text,
    created_at         timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id),
    UNIQUE (event_id, endpoint_id, merchant_id)
) WITH (fillfactor = 60);

-- One line per thing that changes a merchant's balance; its id is that thing's, so that taking an
-- event twice changes nothing.
CREATE TABLE settlement_lines (
    merchant_id    uuid NOT NULL,
    id             uuid NOT NULL,
    livemode       boolean NOT NULL,
    settlement_id  uuid,
    transaction_id uuid,
    kind           text NOT NULL,
    currency       text NOT NULL,
    gross_amount   bigint NOT NULL,
    fee_amount     bigint NOT NULL,
    net_amount     bigint NOT NULL CHECK (net_amount = gross_amount - fee_amount),
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
);

CREATE TABLE settlements (
    merchant_id   uuid NOT NULL,
    id            uuid NOT NULL,
    livemode      boolean NOT NULL,
    business_date date NOT NULL,
    currency      text NOT NULL,
    gross_amount  bigint NOT NULL,
    fee_amount    bigint NOT NULL,
    net_amount    bigint NOT NULL CHECK (net_amount = gross_amount - fee_amount),
    payout_id     uuid,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id),
    UNIQUE (merchant_id, livemode, business_date, currency) -- a date-based batch runs once
);

CREATE TABLE payouts (
    merchant_id   uuid NOT NULL,
    id            uuid NOT NULL,
    livemode      boolean NOT NULL,
    version       integer NOT NULL DEFAULT 0,
    amount        bigint NOT NULL CHECK (amount > 0),
    currency      text NOT NULL,
    status        text NOT NULL CHECK (status IN ('pending', 'paid', 'failed', 'returned')),
    failure_code  text,
    processor_ref text,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
);

GRANT SELECT, INSERT, DELETE, UPDATE ON outbox TO paywright_app;
GRANT SELECT, INSERT, UPDATE ON
    events, webhook_endpoints, webhook_deliveries, settlement_lines, settlements, payouts
    TO paywright_app;
GRANT DELETE ON events, webhook_deliveries TO paywright_housekeeping;
GRANT SELECT ON outbox, events, webhook_endpoints, webhook_deliveries, settlement_lines,
    settlements, payouts TO paywright_readonly;

-- migrate:down

DROP TABLE payouts, settlements, settlement_lines, webhook_deliveries, webhook_endpoints, events,
    outbox;

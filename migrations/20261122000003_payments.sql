-- migrate:up

-- No index here on a column that an operation changes, and room for a second row version on the
-- page (fillfactor 60 on each partition): every update stays HOT, adds nothing to an index page, and
-- so never aborts a neighbour's SERIALIZABLE transaction. The primary key lists by time.
-- Secondary indexes lead with the finer column, never with merchant_id: on a table without statistics
-- the planner takes any index that begins like the primary key for as good as it, reads all of a
-- merchant's rows, and a serializable transaction then conflicts with every other one.
-- `version` counts the changes of a payment; the event of a change carries it as its `sequence`.
CREATE TABLE transactions (
    merchant_id         uuid NOT NULL,
    id                  uuid NOT NULL,
    livemode            boolean NOT NULL,
    version             integer NOT NULL DEFAULT 0,
    customer_id         uuid,
    payment_method_id   uuid,
    amount              bigint NOT NULL CHECK (amount > 0),
    currency            text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    captured_amount     bigint NOT NULL DEFAULT 0,
    refunded_amount     bigint NOT NULL DEFAULT 0,
    disputed_amount     bigint NOT NULL DEFAULT 0,
    dispute_excess      boolean NOT NULL DEFAULT false, -- forced by the card network beyond the rest
    capture_method      text NOT NULL
                        CHECK (capture_method IN ('automatic', 'manual', 'manual_multiple')),
    status              text NOT NULL CHECK (status IN
                        ('pending', 'authorized', 'captured', 'voided', 'failed', 'refunded')),
    pending_reason      text,
    failure_code        text,
    failure_message     text,
    processor           text NOT NULL,
    processor_ref       text,
    fraud_score         smallint CHECK (fraud_score BETWEEN 0 AND 100),
    fraud_flags         jsonb NOT NULL DEFAULT '[]',
    settlement_currency text NOT NULL CHECK (settlement_currency ~ '^[a-z]{3}$'),
    settlement_amount   bigint,
    fx_rate             numeric CHECK (fx_rate > 0),
    fx_rate_source      text,
    fx_rate_at          timestamptz,
    description         text,
    metadata            jsonb NOT NULL DEFAULT '{}',
    expires_at          timestamptz,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id),
    CHECK (refunded_amount >= 0 AND disputed_amount >= 0 AND captured_amount <= amount),
    CHECK (refunded_amount + disputed_amount <= captured_amount OR dispute_excess)
) PARTITION BY RANGE (id);

-- The durable intent before every call to a processor; its id is the processor's idempotency key.
CREATE TABLE payment_operations (
    merchant_id     uuid NOT NULL,
    id              uuid NOT NULL,
    transaction_id  uuid NOT NULL,
    livemode        boolean NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('authorize', 'capture', 'void', 'refund')),
    amount          bigint NOT NULL CHECK (amount > 0),
    currency        text NOT NULL,
    final           boolean NOT NULL DEFAULT true, -- a capture that releases what it leaves
    processor       text NOT NULL,
    processor_ref   text,
    state           text NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed')),
    failure_code    text,
    idempotency_key text,
    actor_id        uuid,
    trace_id        text,
    created_at      timestamptz NOT NULL,
    completed_at    timestamptz,
    PRIMARY KEY (merchant_id, id)
) WITH (fillfactor = 60);
CREATE INDEX payment_operations_transaction ON payment_operations (transaction_id, merchant_id);

-- What has no outcome yet: inserted in T1, deleted in T2, looked through by housekeeping. Its rows
-- also reserve their amounts while the processor is asked.
CREATE TABLE pending_operations (
    merchant_id    uuid NOT NULL,
    operation_id   uuid NOT NULL,
    transaction_id uuid NOT NULL,
    kind           text NOT NULL,
    amount         bigint NOT NULL,
    attempts       smallint NOT NULL DEFAULT 0,
    needs_person   boolean NOT NULL DEFAULT false,
    reversed_at    timestamptz, -- the processor was asked to undo it, should it still arrive
    due_at         timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, operation_id)
);
-- While one of these is undecided, no other may start on the payment.
CREATE UNIQUE INDEX pending_operations_exclusive ON pending_operations (transaction_id, merchant_id)
    WHERE kind IN ('authorize', 'capture', 'void');
CREATE INDEX pending_operations_due ON pending_operations (due_at);
CREATE INDEX pending_operations_transaction ON pending_operations (transaction_id, merchant_id);

-- The truth about idempotency keys; Valkey only caches it. `expires_at` is set with the outcome: a
-- key whose operation is undecided never expires.
CREATE TABLE idempotency_keys (
    merchant_id     uuid NOT NULL,
    livemode        boolean NOT NULL,
    key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint     bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    operation_id    uuid,
    response_status smallint,
    response_body   text,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz,
    PRIMARY KEY (merchant_id, livemode, key)
) WITH (fillfactor = 30); -- the answer, some 900 bytes, has to fit on the page beside the question
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

CREATE TABLE refunds (
    merchant_id    uuid NOT NULL,
    id             uuid NOT NULL,
    livemode       boolean NOT NULL,
    version        integer NOT NULL DEFAULT 0,
    transaction_id uuid NOT NULL,
    amount         bigint NOT NULL CHECK (amount > 0),
    currency       text NOT NULL,
    status         text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
    reason         text,
    failure_code   text,
    processor_ref  text,
    metadata       jsonb NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
) WITH (fillfactor = 60);
CREATE INDEX refunds_transaction ON refunds (transaction_id, merchant_id);

CREATE TABLE disputes (
    merchant_id     uuid NOT NULL,
    id              uuid NOT NULL,
    livemode        boolean NOT NULL,
    version         integer NOT NULL DEFAULT 0,
    transaction_id  uuid NOT NULL,
    amount          bigint NOT NULL CHECK (amount > 0),
    currency        text NOT NULL,
    reason          text NOT NULL,
    status          text NOT NULL,
    funds_withdrawn boolean NOT NULL DEFAULT false,
    processor_ref   text,
    evidence        jsonb NOT NULL DEFAULT '{}',
    evidence_due_at timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
) WITH (fillfactor = 60);
CREATE INDEX disputes_transaction ON disputes (transaction_id, merchant_id);

CREATE TABLE reviews (
    merchant_id    uuid NOT NULL,
    id             uuid NOT NULL,
    livemode       boolean NOT NULL,
    transaction_id uuid NOT NULL,
    reason         text NOT NULL,
    opened_at      timestamptz NOT NULL,
    closed_at      timestamptz,
    outcome        text,
    PRIMARY KEY (merchant_id, id)
);

GRANT SELECT, INSERT, UPDATE ON
    transactions, payment_operations, refunds, disputes, reviews TO paywright_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON pending_operations, idempotency_keys TO paywright_app;
GRANT SELECT ON transactions, payment_operations, pending_operations, refunds, disputes, reviews
    TO paywright_readonly;

-- migrate:down

DROP TABLE reviews, disputes, refunds, idempotency_keys, pending_operations, payment_operations,
    transactions;

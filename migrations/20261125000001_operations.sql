-- migrate:up

-- What a payment knows of its refunds, its end and how it was made. `pending_refund_amount` is asked
-- for and not decided yet. `settlement_refunded_amount` and `fee_returned_amount` are in the
-- merchant's currency and include what is pending, so that the last refund takes the exact rest;
-- `fee_share_amount` is the part of the fee that may be returned.
-- A refund changes its payment without an event about it, so events are counted apart from changes.
ALTER TABLE transactions ADD COLUMN sequence integer NOT NULL DEFAULT 0;
UPDATE transactions SET sequence = version;

ALTER TABLE transactions
    ADD COLUMN method_type text NOT NULL DEFAULT 'card'
        CHECK (method_type IN ('card', 'bank_account')),
    ADD COLUMN off_session boolean NOT NULL DEFAULT false,
    ADD COLUMN void_reason text CHECK (void_reason IN ('requested', 'expired')),
    ADD COLUMN pending_refund_amount bigint NOT NULL DEFAULT 0 CHECK (pending_refund_amount >= 0),
    ADD COLUMN settlement_refunded_amount bigint NOT NULL DEFAULT 0
        CHECK (settlement_refunded_amount >= 0),
    ADD COLUMN fee_share_amount bigint NOT NULL DEFAULT 0,
    ADD COLUMN fee_returned_amount bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT transactions_fees CHECK (fee_returned_amount BETWEEN 0 AND fee_share_amount),
    DROP CONSTRAINT transactions_check1,
    ADD CONSTRAINT transactions_refunds CHECK (dispute_excess
        OR refunded_amount + pending_refund_amount + disputed_amount <= captured_amount);

-- Two more kinds that ask no processor: a hold that ran out, and money that came back.
ALTER TABLE payment_operations
    ADD COLUMN refund_id uuid,
    DROP CONSTRAINT payment_operations_kind_check,
    ADD CONSTRAINT payment_operations_kind_check CHECK (kind IN
        ('authorize', 'capture', 'void', 'refund', 'expire', 'return', 'refund_return'));
-- A processor's later notice names the operation and nothing else.
CREATE INDEX payment_operations_id ON payment_operations (id);

ALTER TABLE pending_operations ADD COLUMN refund_id uuid;
DROP INDEX pending_operations_exclusive;
CREATE UNIQUE INDEX pending_operations_exclusive ON pending_operations (transaction_id, merchant_id)
    WHERE kind IN ('authorize', 'capture', 'void', 'expire', 'return', 'refund_return');

ALTER TABLE refunds
    ADD COLUMN operation_id uuid NOT NULL,
    ADD COLUMN pending_reason text,
    ADD COLUMN failure_message text,
    ADD COLUMN settlement_currency text NOT NULL CHECK (settlement_currency ~ '^[a-z]{3}$'),
    ADD COLUMN settlement_amount bigint NOT NULL CHECK (settlement_amount >= 0),
    ADD COLUMN fee_returned_amount bigint NOT NULL DEFAULT 0 CHECK (fee_returned_amount >= 0);

-- Holds that will run out: written with the authorization, deleted with what ends the hold. A table
-- of its own, since no column of `transactions` that changes may have an index.
CREATE TABLE authorization_expiries (
    merchant_id    uuid NOT NULL,
    transaction_id uuid NOT NULL,
    livemode       boolean NOT NULL,
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (transaction_id, merchant_id)
);
CREATE INDEX authorization_expiries_due ON authorization_expiries (expires_at);

-- A share of the fee may go back to the merchant with a refund.
ALTER TABLE fee_plans ADD COLUMN returned_on_refund boolean NOT NULL DEFAULT false;

GRANT SELECT, INSERT, UPDATE, DELETE ON authorization_expiries TO paywright_app;
GRANT SELECT ON authorization_expiries TO paywright_readonly;

-- migrate:down

ALTER TABLE fee_plans DROP COLUMN returned_on_refund;
DROP TABLE authorization_expiries;
ALTER TABLE refunds
    DROP COLUMN operation_id, DROP COLUMN pending_reason, DROP COLUMN failure_message,
    DROP COLUMN settlement_currency, DROP COLUMN settlement_amount, DROP COLUMN fee_returned_amount;
DROP INDEX pending_operations_exclusive;
CREATE UNIQUE INDEX pending_operations_exclusive ON pending_operations (transaction_id, merchant_id)
    WHERE kind IN ('authorize', 'capture', 'void');
ALTER TABLE pending_operations DROP COLUMN refund_id;
DROP INDEX payment_operations_id;
ALTER TABLE payment_operations
    DROP COLUMN refund_id,
    DROP CONSTRAINT payment_operations_kind_check,
    ADD CONSTRAINT payment_operations_kind_check
        CHECK (kind IN ('authorize', 'capture', 'void', 'refund'));
ALTER TABLE transactions
    DROP CONSTRAINT transactions_refunds,
    ADD CONSTRAINT transactions_check1
        CHECK (refunded_amount + disputed_amount <= captured_amount OR dispute_excess),
    DROP COLUMN method_type, DROP COLUMN off_session, DROP COLUMN void_reason,
    DROP COLUMN pending_refund_amount, DROP COLUMN settlement_refunded_amount,
    DROP COLUMN fee_returned_amount, DROP COLUMN fee_share_amount, DROP COLUMN sequence;

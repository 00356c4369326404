-- migrate:up

-- At which rate a capture was begun, also one at once: it is that however late its outcome is known.
-- Null where nothing is captured or converted.
ALTER TABLE payment_operations
    ADD COLUMN fx_rate exchange_rate,
    ADD COLUMN fx_rate_source text,
    ADD COLUMN fx_rate_at timestamptz;

-- migrate:down

ALTER TABLE payment_operations
    DROP COLUMN fx_rate, DROP COLUMN fx_rate_source, DROP COLUMN fx_rate_at;

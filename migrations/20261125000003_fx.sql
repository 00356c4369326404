-- migrate:up

-- What the platform keeps of a conversion, in hundredths of a percent of the mid value.
ALTER TABLE merchants ADD COLUMN fx_spread_bps integer NOT NULL DEFAULT 0
    CHECK (fx_spread_bps BETWEEN 0 AND 1000);

-- A rate that a merchant may count on for a while. It is never changed: there is no right to.
CREATE TABLE fx_quotes (
    merchant_id   uuid NOT NULL REFERENCES merchants,
    id            uuid NOT NULL,
    livemode      boolean NOT NULL,
    from_currency text NOT NULL CHECK (from_currency ~ '^[a-z]{3}$'),
    to_currency   text NOT NULL CHECK (to_currency ~ '^[a-z]{3}$'),
    rate          numeric NOT NULL CHECK (rate > 0),
    rate_source   text NOT NULL,
    rate_at       timestamptz NOT NULL,
    spread_bps    integer NOT NULL CHECK (spread_bps BETWEEN 0 AND 1000),
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id),
    CHECK (from_currency <> to_currency),
    CHECK (expires_at > created_at AND expires_at <= created_at + interval '1 hour')
);

-- The quote that a payment goes by, and the spread that was agreed when it was authorized. With a
-- quote its rate is in fx_rate from the start. The first is not indexed: nobody asks that way round.
ALTER TABLE transactions
    ADD COLUMN fx_quote_id uuid,
    ADD COLUMN fx_spread_bps integer NOT NULL DEFAULT 0 CHECK (fx_spread_bps BETWEEN 0 AND 1000);

GRANT SELECT, INSERT ON fx_quotes TO paywright_app;
GRANT SELECT ON fx_quotes TO paywright_readonly;

-- migrate:down

ALTER TABLE transactions DROP COLUMN fx_quote_id, DROP COLUMN fx_spread_bps;
DROP TABLE fx_quotes;
ALTER TABLE merchants DROP COLUMN fx_spread_bps;

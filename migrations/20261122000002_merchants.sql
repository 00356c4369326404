-- migrate:up

-- Names and e-mail addresses are encrypted with pgcrypto; `email_hash` is a keyed hash (HMAC), so
-- that uniqueness can be asked without the address.
CREATE TABLE merchants (
    id                  uuid PRIMARY KEY,
    name_encrypted      bytea NOT NULL,
    email_encrypted     bytea NOT NULL,
    email_hash          bytea NOT NULL UNIQUE CHECK (octet_length(email_hash) = 32),
    settlement_currency text NOT NULL CHECK (settlement_currency ~ '^[a-z]{3}$'),
    status              text NOT NULL DEFAULT 'active'
                        CHECK (status IN ('active', 'suspended', 'closed')),
    rate_limit_per_min  integer CHECK (rate_limit_per_min > 0),
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL
);

CREATE TABLE api_keys (
    merchant_id uuid NOT NULL REFERENCES merchants,
    id          uuid NOT NULL,
    livemode    boolean NOT NULL,
    key_hash    bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32), -- SHA-256 of the key
    last_four   text NOT NULL CHECK (length(last_four) = 4),
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    PRIMARY KEY (merchant_id, id)
);

-- A row for `currency` wins over the row for '*'; no row at all means the platform's own plan.
CREATE TABLE fee_plans (
    merchant_id  uuid NOT NULL REFERENCES merchants,
    method_type  text NOT NULL CHECK (method_type IN ('card', 'bank_account')),
    currency     text NOT NULL CHECK (currency ~ '^([a-z]{3}|\*)$'),
    basis_points integer NOT NULL CHECK (basis_points BETWEEN 0 AND 10000),
    fixed_amount bigint NOT NULL DEFAULT 0 CHECK (fixed_amount >= 0),
    PRIMARY KEY (merchant_id, method_type, currency)
);

CREATE TABLE customers (
    merchant_id     uuid NOT NULL REFERENCES merchants,
    id              uuid NOT NULL,
    livemode        boolean NOT NULL,
    external_id     text CHECK (length(external_id) <= 255),
    name_encrypted  bytea,
    email_encrypted bytea,
    metadata        jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id),
    UNIQUE (external_id, merchant_id, livemode)
);

-- A card is a token of the processor and what may be shown of it; its number is never here.
CREATE TABLE payment_methods (
    merchant_id     uuid NOT NULL REFERENCES merchants,
    id              uuid NOT NULL,
    livemode        boolean NOT NULL,
    customer_id     uuid NOT NULL,
    type            text NOT NULL CHECK (type IN ('card', 'bank_account')),
    processor       text NOT NULL,
    token_vault_ref text NOT NULL,
    fingerprint     text NOT NULL, -- the same for the same card, whatever its token
    risk            text NOT NULL DEFAULT 'normal' CHECK (risk IN ('normal', 'elevated', 'highest')),
    brand           text,
    last_four       text NOT NULL CHECK (last_four ~ '^[0-9]{4}$'),
    exp_month       smallint CHECK (exp_month BETWEEN 1 AND 12),
    exp_year        smallint CHECK (exp_year BETWEEN 2000 AND 2100),
    is_default      boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id),
    FOREIGN KEY (merchant_id, customer_id) REFERENCES customers
);
CREATE INDEX payment_methods_customer ON payment_methods (customer_id, merchant_id);

-- Counts requests while Valkey is away; losing it costs nothing.
CREATE UNLOGGED TABLE rate_limit_windows (
    merchant_id  uuid NOT NULL,
    window_start timestamptz NOT NULL,
    requests     integer NOT NULL,
    PRIMARY KEY (merchant_id, window_start)
);

GRANT SELECT, INSERT, UPDATE ON merchants, api_keys, fee_plans, customers, payment_methods
    TO paywright_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON rate_limit_windows TO paywright_app;
GRANT paywright_app TO paywright_housekeeping;
GRANT SELECT ON merchants, api_keys, fee_plans, customers, payment_methods TO paywright_readonly;

-- migrate:down

DROP TABLE rate_limit_windows, payment_methods, customers, fee_plans, api_keys, merchants;

-- migrate:up

-- A journal takes the id of what causes it (operation, dispute, payout, settlement line), so the
-- primary key refuses to post anything twice.
CREATE TABLE journals (
    merchant_id    uuid NOT NULL,
    id             uuid NOT NULL,
    livemode       boolean NOT NULL,
    transaction_id uuid,
    kind           text NOT NULL,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
) PARTITION BY RANGE (id);

-- Immutable; running balances are in ledger_chain. An account is (merchant, livemode, account_type,
-- currency, processor); processor is '' where the account has none.
CREATE TABLE ledger_entries (
    merchant_id    uuid NOT NULL,
    id             uuid NOT NULL,
    journal_id     uuid NOT NULL,
    transaction_id uuid,
    livemode       boolean NOT NULL,
    entry_type     text NOT NULL CHECK (entry_type IN ('debit', 'credit')),
    account_type   text NOT NULL CHECK (account_type IN (
                   'cash', 'customer_hold', 'customer_refund', 'dispute_reserve', 'fx_clearing',
                   'fx_gain_loss', 'fx_spread', 'merchant_balance', 'merchant_hold',
                   'merchant_reserve', 'payout_clearing', 'platform_fee', 'processor_cost',
                   'processor_receivable')),
    processor      text NOT NULL DEFAULT '',
    amount         bigint NOT NULL CHECK (amount > 0),
    currency       text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id),
    CHECK ((processor <> '') = (account_type IN ('cash', 'processor_cost', 'processor_receivable')))
) PARTITION BY RANGE (id);
CREATE INDEX ledger_entries_transaction ON ledger_entries (transaction_id, merchant_id);
CREATE INDEX ledger_entries_journal ON ledger_entries (journal_id, merchant_id);

-- Journals that the sequencer has not taken yet.
CREATE TABLE ledger_unsequenced (
    merchant_id uuid NOT NULL,
    journal_id  uuid NOT NULL,
    PRIMARY KEY (journal_id, merchant_id)
);

-- The order of the ledger: one row per entry, written by the sequencer alone. `position` counts the
-- journals of a merchant's chain, `sequence` the entries of an account; `row_hash` is SHA-256 over
-- the previous journal's hash and this journal with its entries.
CREATE TABLE ledger_chain (
    merchant_id   uuid NOT NULL,
    id            uuid NOT NULL, -- of the entry
    livemode      boolean NOT NULL,
    journal_id    uuid NOT NULL,
    position      bigint NOT NULL CHECK (position > 0),
    account_type  text NOT NULL,
    currency      text NOT NULL,
    processor     text NOT NULL,
    sequence      bigint NOT NULL CHECK (sequence > 0),
    balance_after bigint NOT NULL, -- debits less credits, in the currency's minor unit
    row_hash      bytea NOT NULL CHECK (octet_length(row_hash) = 32),
    sequenced_at  timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX ledger_chain_account ON ledger_chain
    (merchant_id, livemode, account_type, currency, processor, sequence);
CREATE INDEX ledger_chain_position ON ledger_chain (merchant_id, livemode, position);

CREATE TABLE audit_log (
    merchant_id uuid NOT NULL,
    id          uuid NOT NULL,
    entity_type text NOT NULL,
    entity_id   uuid NOT NULL,
    action      text NOT NULL,
    actor_type  text NOT NULL CHECK (actor_type IN ('api_key', 'admin', 'system')),
    actor_id    text,
    changes     jsonb NOT NULL DEFAULT '{}',
    ip_address  inet,
    user_agent  text,
    trace_id    text,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (merchant_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX audit_log_entity ON audit_log (entity_type, entity_id);

CREATE TRIGGER balanced AFTER INSERT ON ledger_entries
    REFERENCING NEW TABLE AS new_entries EXECUTE FUNCTION journal_must_balance();

DO $$
DECLARE
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['journals', 'ledger_entries', 'ledger_chain', 'audit_log'] LOOP
        EXECUTE format('CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION refuse_change()', parent);
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %I '
                       'EXECUTE FUNCTION refuse_change()', parent);
    END LOOP;
END
$$;

GRANT SELECT, INSERT ON journals, ledger_entries, ledger_chain, audit_log TO paywright_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger_unsequenced TO paywright_app;
GRANT SELECT ON journals, ledger_entries, ledger_chain, ledger_unsequenced, audit_log
    TO paywright_readonly;

SELECT create_month_partitions(now(), 3);

-- migrate:down

DROP TABLE audit_log, ledger_chain, ledger_unsequenced, ledger_entries, journals;

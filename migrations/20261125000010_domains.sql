-- migrate:up

-- What a column may hold is its type here. A CHECK of a table is read anew, from text, by every
-- statement that inserts or updates a row of it, whatever that changes; a domain's is read once by
-- a connection, and looked at where a value is given. What compares columns stays with the table.
-- The tables are written anew once: that takes a while where there are millions of payments.
CREATE DOMAIN currency_code AS text CHECK (VALUE ~ '^[a-z]{3}$');
CREATE DOMAIN positive_amount AS bigint CHECK (VALUE > 0);
CREATE DOMAIN counted_amount AS bigint CHECK (VALUE >= 0);
CREATE DOMAIN exchange_rate AS numeric CHECK (VALUE > 0);
CREATE DOMAIN spread_bps AS integer CHECK (VALUE BETWEEN 0 AND 1000);
CREATE DOMAIN fraud_score AS smallint CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN method_type AS text CHECK (VALUE IN ('card', 'bank_account'));
CREATE DOMAIN capture_method AS text CHECK (VALUE IN ('automatic', 'manual', 'manual_multiple'));
CREATE DOMAIN payment_status AS text CHECK (VALUE IN
    ('pending', 'authorized', 'captured', 'voided', 'failed', 'refunded'));
CREATE DOMAIN void_reason AS text CHECK (VALUE IN ('requested', 'expired'));
CREATE DOMAIN operation_kind AS text CHECK (VALUE IN
    ('authorize', 'capture', 'void', 'refund', 'expire', 'return', 'refund_return'));
CREATE DOMAIN operation_state AS text CHECK (VALUE IN ('pending', 'succeeded', 'failed'));
CREATE DOMAIN idempotency_key AS text CHECK (length(VALUE) BETWEEN 1 AND 255);
CREATE DOMAIN sha256_digest AS bytea CHECK (octet_length(VALUE) = 32);
CREATE DOMAIN entry_type AS text CHECK (VALUE IN ('debit', 'credit'));
CREATE DOMAIN account_type AS text CHECK (VALUE IN (
    'cash', 'customer_hold', 'customer_refund', 'dispute_reserve', 'fx_clearing', 'fx_gain_loss',
    'fx_spread', 'merchant_balance', 'merchant_hold', 'merchant_reserve', 'payout_clearing',
    'platform_fee', 'processor_cost', 'processor_receivable'));
CREATE DOMAIN actor_type AS text CHECK (VALUE IN ('api_key', 'admin', 'system'));

ALTER TABLE transactions
    DROP CONSTRAINT transactions_amount_check,
    DROP CONSTRAINT transactions_currency_check,
    DROP CONSTRAINT transactions_capture_method_check,
    DROP CONSTRAINT transactions_status_check,
    DROP CONSTRAINT transactions_fraud_score_check,
    DROP CONSTRAINT transactions_settlement_currency_check,
    DROP CONSTRAINT transactions_fx_rate_check,
    DROP CONSTRAINT transactions_check,
    DROP CONSTRAINT transactions_method_type_check,
    DROP CONSTRAINT transactions_void_reason_check,
    DROP CONSTRAINT transactions_pending_refund_amount_check,
    DROP CONSTRAINT transactions_settlement_refunded_amount_check,
    DROP CONSTRAINT transactions_fx_spread_bps_check,
    ADD CONSTRAINT transactions_captured CHECK (captured_amount <= amount),
    ALTER COLUMN amount TYPE positive_amount,
    ALTER COLUMN currency TYPE currency_code,
    ALTER COLUMN refunded_amount TYPE counted_amount,
    ALTER COLUMN pending_refund_amount TYPE counted_amount,
    ALTER COLUMN disputed_amount TYPE counted_amount,
    ALTER COLUMN settlement_refunded_amount TYPE counted_amount,
    ALTER COLUMN capture_method TYPE capture_method,
    ALTER COLUMN status TYPE payment_status,
    ALTER COLUMN fraud_score TYPE fraud_score,
    ALTER COLUMN settlement_currency TYPE currency_code,
    ALTER COLUMN fx_rate TYPE exchange_rate,
    ALTER COLUMN fx_spread_bps TYPE spread_bps,
    ALTER COLUMN method_type TYPE method_type,
    ALTER COLUMN void_reason TYPE void_reason;

ALTER TABLE payment_operations
    DROP CONSTRAINT payment_operations_kind_check,
    DROP CONSTRAINT payment_operations_amount_check,
    DROP CONSTRAINT payment_operations_state_check,
    ALTER COLUMN kind TYPE operation_kind,
    ALTER COLUMN amount TYPE positive_amount,
    ALTER COLUMN currency TYPE currency_code,
    ALTER COLUMN state TYPE operation_state;

ALTER TABLE idempotency_keys
    DROP CONSTRAINT idempotency_keys_key_check,
    DROP CONSTRAINT idempotency_keys_fingerprint_check,
    ALTER COLUMN key TYPE idempotency_key,
    ALTER COLUMN fingerprint TYPE sha256_digest;

ALTER TABLE ledger_entries
    DROP CONSTRAINT ledger_entries_entry_type_check,
    DROP CONSTRAINT ledger_entries_account_type_check,
    DROP CONSTRAINT ledger_entries_amount_check,
    DROP CONSTRAINT ledger_entries_currency_check,
    ALTER COLUMN entry_type TYPE entry_type,
    ALTER COLUMN account_type TYPE account_type,
    ALTER COLUMN amount TYPE positive_amount,
    ALTER COLUMN currency TYPE currency_code;

ALTER TABLE audit_log
    DROP CONSTRAINT audit_log_actor_type_check,
    ALTER COLUMN actor_type TYPE actor_type;

-- migrate:down

ALTER TABLE audit_log
    ALTER COLUMN actor_type TYPE text,
    ADD CONSTRAINT audit_log_actor_type_check CHECK (actor_type IN ('api_key', 'admin', 'system'));
ALTER TABLE ledger_entries
    ALTER COLUMN entry_type TYPE text,
    ALTER COLUMN account_type TYPE text,
    ALTER COLUMN amount TYPE bigint,
    ALTER COLUMN currency TYPE text,
    ADD CONSTRAINT ledger_entries_entry_type_check CHECK (entry_type IN ('debit', 'credit')),
    ADD CONSTRAINT ledger_entries_account_type_check CHECK (account_type IN (
        'cash', 'customer_hold', 'customer_refund', 'dispute_reserve', 'fx_clearing',
        'fx_gain_loss', 'fx_spread', 'merchant_balance', 'merchant_hold', 'merchant_reserve',
        'payout_clearing', 'platform_fee', 'processor_cost', 'processor_receivable')),
    ADD CONSTRAINT ledger_entries_amount_check CHECK (amount > 0),
    ADD CONSTRAINT ledger_entries_currency_check CHECK (currency ~ '^[a-z]{3}$');
ALTER TABLE idempotency_keys
    ALTER COLUMN key TYPE text,
    ALTER COLUMN fingerprint TYPE bytea,
    ADD CONSTRAINT idempotency_keys_key_check CHECK (length(key) BETWEEN 1 AND 255),
    ADD CONSTRAINT idempotency_keys_fingerprint_check CHECK (octet_length(fingerprint) = 32);
ALTER TABLE payment_operations
    ALTER COLUMN kind TYPE text,
    ALTER COLUMN amount TYPE bigint,
    ALTER COLUMN currency TYPE text,
    ALTER COLUMN state TYPE text,
    ADD CONSTRAINT payment_operations_kind_check CHECK (kind IN
        ('authorize', 'capture', 'void', 'refund', 'expire', 'return', 'refund_return')),
    ADD CONSTRAINT payment_operations_amount_check CHECK (amount > 0),
    ADD CONSTRAINT payment_operations_state_check
        CHECK (state IN ('pending', 'succeeded', 'failed'));
ALTER TABLE transactions
    DROP CONSTRAINT transactions_captured,
    ALTER COLUMN amount TYPE bigint,
    ALTER COLUMN currency TYPE text,
    ALTER COLUMN refunded_amount TYPE bigint,
    ALTER COLUMN pending_refund_amount TYPE bigint,
    ALTER COLUMN disputed_amount TYPE bigint,
    ALTER COLUMN settlement_refunded_amount TYPE bigint,
    ALTER COLUMN capture_method TYPE text,
    ALTER COLUMN status TYPE text,
    ALTER COLUMN fraud_score TYPE smallint,
    ALTER COLUMN settlement_currency TYPE text,
    ALTER COLUMN fx_rate TYPE numeric,
    ALTER COLUMN fx_spread_bps TYPE integer,
    ALTER COLUMN method_type TYPE text,
    ALTER COLUMN void_reason TYPE text,
    ADD CONSTRAINT transactions_amount_check CHECK (amount > 0),
    ADD CONSTRAINT transactions_currency_check CHECK (currency ~ '^[a-z]{3}$'),
    ADD CONSTRAINT transactions_capture_method_check
        CHECK (capture_method IN ('automatic', 'manual', 'manual_multiple')),
    ADD CONSTRAINT transactions_status_check CHECK (status IN
        ('pending', 'authorized', 'captured', 'voided', 'failed', 'refunded')),
    ADD CONSTRAINT transactions_fraud_score_check CHECK (fraud_score BETWEEN 0 AND 100),
    ADD CONSTRAINT transactions_settlement_currency_check
        CHECK (settlement_currency ~ '^[a-z]{3}$'),
    ADD CONSTRAINT transactions_fx_rate_check CHECK (fx_rate > 0),
    ADD CONSTRAINT transactions_check
        CHECK (refunded_amount >= 0 AND disputed_amount >= 0 AND captured_amount <= amount),
    ADD CONSTRAINT transactions_method_type_check CHECK (method_type IN ('card', 'bank_account')),
    ADD CONSTRAINT transactions_void_reason_check CHECK (void_reason IN ('requested', 'expired')),
    ADD CONSTRAINT transactions_pending_refund_amount_check CHECK (pending_refund_amount >= 0),
    ADD CONSTRAINT transactions_settlement_refunded_amount_check
        CHECK (settlement_refunded_amount >= 0),
    ADD CONSTRAINT transactions_fx_spread_bps_check CHECK (fx_spread_bps BETWEEN 0 AND 1000);
DROP DOMAIN currency_code, positive_amount, counted_amount, exchange_rate, spread_bps, fraud_score,
    method_type, capture_method, payment_status, void_reason, operation_kind, operation_state,
    idempotency_key, sha256_digest, entry_type, account_type, actor_type;

-- migrate:up

-- The sum of bigint amounts does not fit a bigint. An account has at most 2^63 entries, numbered by a
-- bigint, of at most 2^63 each: that is under 10^38, so no balance can fail to be written. The chain is
-- written anew; meanwhile payments go on, and the sequencer and reads of balances wait.
ALTER TABLE ledger_chain ALTER COLUMN balance_after TYPE numeric(38, 0);

-- migrate:down

ALTER TABLE ledger_chain ALTER COLUMN balance_after TYPE bigint;

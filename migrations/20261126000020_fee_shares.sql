-- migrate:up

-- Which part of the fee that it took a refund may give back: a payment's `fee_share_amount` is the sum
-- of its operations'. Null for what did not succeed, and for what did before.
ALTER TABLE payment_operations ADD COLUMN fee_share_amount bigint;

-- migrate:down

ALTER TABLE payment_operations DROP COLUMN fee_share_amount;

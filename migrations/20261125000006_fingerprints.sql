-- migrate:up

-- Requests' fingerprints were digests without a key, from which a card could be guessed where the
-- request had one. Those are forgotten; the keys of payments, whose requests never have a card, stay
-- as they are. Until it expires, within a day, a key of before is refused as one of another request
-- (docs/decisions/0016).
UPDATE idempotency_keys SET fingerprint = decode(repeat('00', 32), 'hex') WHERE operation_id IS NULL;

-- migrate:down

-- What is forgotten stays forgotten.
SELECT 1;

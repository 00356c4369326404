-- migrate:up

-- Endpoints as merchants manage them. `from_profile` is the one that the profile's `webhook_url`
-- stands for. `failing_since` is when the first delivery failed since the last that succeeded: null
-- after a success, and for an endpoint that is enabled again or gets another URL. `sequence` counts
-- the events about the endpoint itself. One that was deleted stays for the deliveries that name it,
-- disabled and without its secrets.
ALTER TABLE webhook_endpoints
    ADD COLUMN from_profile boolean NOT NULL DEFAULT false,
    ADD COLUMN sequence integer NOT NULL DEFAULT 0,
    ADD COLUMN failing_since timestamptz,
    ADD COLUMN disabled_at timestamptz,
    ADD COLUMN deleted_at timestamptz,
    ALTER COLUMN secret_encrypted DROP NOT NULL,
    ADD CONSTRAINT webhook_endpoints_deleted CHECK (CASE WHEN deleted_at IS NULL
        THEN secret_encrypted IS NOT NULL
        ELSE NOT enabled AND coalesce(secret_encrypted, previous_secret_encrypted) IS NULL END),
    ADD CONSTRAINT webhook_endpoints_description CHECK (length(description) <= 500);

UPDATE webhook_endpoints SET from_profile = true
 WHERE (merchant_id, id) IN (
    SELECT DISTINCT ON (merchant_id, livemode) merchant_id, id
      FROM webhook_endpoints
     WHERE enabled
     ORDER BY merchant_id, livemode, id);

CREATE INDEX webhook_endpoints_kept ON webhook_endpoints (merchant_id, livemode, id)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX webhook_endpoints_of_profile ON webhook_endpoints (merchant_id, livemode)
    WHERE from_profile AND deleted_at IS NULL;
CREATE INDEX webhook_endpoints_deleted_at ON webhook_endpoints (deleted_at)
    WHERE deleted_at IS NOT NULL;

GRANT DELETE ON webhook_endpoints TO paywright_housekeeping;

-- migrate:down

REVOKE DELETE ON webhook_endpoints FROM paywright_housekeeping;
DROP INDEX webhook_endpoints_kept, webhook_endpoints_of_profile, webhook_endpoints_deleted_at;
DELETE FROM webhook_endpoints WHERE deleted_at IS NOT NULL;
ALTER TABLE webhook_endpoints
    DROP CONSTRAINT webhook_endpoints_deleted,
    DROP CONSTRAINT webhook_endpoints_description,
    ALTER COLUMN secret_encrypted SET NOT NULL,
    DROP COLUMN from_profile, DROP COLUMN sequence, DROP COLUMN failing_since,
    DROP COLUMN disabled_at, DROP COLUMN deleted_at;

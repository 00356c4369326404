-- migrate:up

-- What a merchant is told by e-mail, and where: without an address of its own for that, where the
-- merchant itself is reached. Kinds that are switched off are named, so that a new kind is on.
ALTER TABLE merchants
    ADD COLUMN notification_email_encrypted bytea,
    ADD COLUMN notifications_off text[] NOT NULL DEFAULT '{}';

-- One row for each mail: the same event never makes two. `sending` is one that somebody has claimed
-- until `claimed_until`, a moment of this machine's clock and not of the business's.
CREATE TABLE notifications (
    merchant_id   uuid NOT NULL REFERENCES merchants,
    event_id      uuid NOT NULL,
    kind          text NOT NULL,
    status        text NOT NULL CHECK (status IN ('sending', 'sent', 'failed', 'unwanted')),
    attempts      integer NOT NULL,
    claimed_until timestamptz NOT NULL,
    message_id    text, -- what SES calls the mail
    error         text,
    created_at    timestamptz NOT NULL,
    decided_at    timestamptz,
    PRIMARY KEY (merchant_id, event_id, kind)
);
CREATE INDEX notifications_created_at ON notifications (created_at);

GRANT SELECT, INSERT, UPDATE ON notifications TO paywright_app;
GRANT DELETE ON notifications TO paywright_housekeeping;
GRANT SELECT ON notifications TO paywright_readonly;

-- migrate:down

DROP TABLE notifications;
ALTER TABLE merchants
    DROP COLUMN notification_email_encrypted,
    DROP COLUMN notifications_off;

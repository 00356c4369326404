-- migrate:up

-- Who a mail is for is part of what it is: a new API key is told to the merchant's own address too,
-- whatever it prefers. A changed address is told to the one of before, which is kept with the mail.
-- `withheld` is what came beyond a day's mails of its kind.
ALTER TABLE notifications
    ADD COLUMN recipient text NOT NULL DEFAULT 'chosen'
        CHECK (recipient IN ('chosen', 'own', 'former')),
    ADD COLUMN address_encrypted bytea,
    DROP CONSTRAINT notifications_status_check,
    ADD CONSTRAINT notifications_status_check CHECK (
        status IN ('waiting', 'sending', 'sent', 'failed', 'unwanted', 'withheld')),
    DROP CONSTRAINT notifications_pkey,
    ADD PRIMARY KEY (merchant_id, event_id, kind, recipient);
CREATE INDEX notifications_of_a_day
    ON notifications (merchant_id, kind, recipient, status, created_at);

-- Counts the events about the merchant itself.
ALTER TABLE merchants ADD COLUMN sequence integer NOT NULL DEFAULT 0;

-- migrate:down

ALTER TABLE merchants DROP COLUMN sequence;
DROP INDEX notifications_of_a_day;
DELETE FROM notifications WHERE recipient <> 'chosen' OR status IN ('waiting', 'withheld');
ALTER TABLE notifications
    DROP CONSTRAINT notifications_pkey,
    ADD PRIMARY KEY (merchant_id, event_id, kind),
    DROP CONSTRAINT notifications_status_check,
    ADD CONSTRAINT notifications_status_check CHECK (
        status IN ('sending', 'sent', 'failed', 'unwanted')),
    DROP COLUMN recipient,
    DROP COLUMN address_encrypted;

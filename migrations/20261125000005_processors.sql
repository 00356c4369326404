-- migrate:up

-- The simulated processors remember every request, and what they will say of it later; what is held,
-- captured and refunded under a reference is the sum of its requests. A reversed request counts for
-- nothing, so undoing one needs no arithmetic.
ALTER TABLE simulator.requests
    ADD COLUMN processor text NOT NULL DEFAULT 'simulator',
    ADD COLUMN charge text, -- the reference of the authorization that a later request is about
    ADD COLUMN final boolean NOT NULL DEFAULT false,
    ADD COLUMN pending boolean NOT NULL DEFAULT false; -- answered so; a notice decides
CREATE UNIQUE INDEX requests_reference ON simulator.requests (reference);
CREATE INDEX requests_charge ON simulator.requests (charge) WHERE charge IS NOT NULL;

-- A bank account is kept as the way it behaves, like a card.
CREATE TABLE simulator.bank_accounts (
    token      text PRIMARY KEY,
    scenario   text NOT NULL,
    scheme     text NOT NULL CHECK (scheme IN ('ach', 'sepa')),
    created_at timestamptz NOT NULL
);

-- What will be said of a request without being asked, and when (business time). It is told again
-- and again until it is acknowledged; one at a time for each request, in their order.
CREATE TABLE simulator.notices (
    operation_id    uuid NOT NULL,
    due_at          timestamptz NOT NULL,
    processor       text NOT NULL,
    approved        boolean NOT NULL,
    decline_code    text,
    told_at         timestamptz,
    acknowledged_at timestamptz,
    PRIMARY KEY (operation_id, due_at)
);
CREATE INDEX notices_due ON simulator.notices (processor, due_at) WHERE acknowledged_at IS NULL;

-- Every request with its outcome as of a moment: 'approved', 'declined' or 'pending'.
CREATE FUNCTION simulator.requests_at(moment timestamptz) RETURNS TABLE (
    operation_id uuid, processor text, kind text, reference text, charge text, token text,
    amount bigint, currency text, final boolean, reversed boolean, outcome text, decline_code text)
    LANGUAGE sql STABLE AS $$
    SELECT r.operation_id, r.processor, r.kind, r.reference, r.charge, r.token,
           r.amount, r.currency, r.final, r.reversed,
           CASE WHEN latest.approved THEN 'approved'
                WHEN NOT latest.approved THEN 'declined'
                WHEN r.pending THEN 'pending'
                WHEN r.approved THEN 'approved'
                ELSE 'declined' END,
           CASE WHEN latest.approved IS NULL THEN r.decline_code ELSE latest.decline_code END
      FROM simulator.requests r
      LEFT JOIN LATERAL (
          SELECT n.approved, n.decline_code
            FROM simulator.notices n
           WHERE n.operation_id = r.operation_id AND n.due_at <= moment
           ORDER BY n.due_at DESC LIMIT 1) AS latest ON true
$$;

-- What is held, captured, let go and refunded under each approved authorization as of a moment. A
-- refund that is not decided yet counts.
CREATE FUNCTION simulator.charges_at(moment timestamptz) RETURNS TABLE (
    reference text, token text, currency text, authorized bigint, held bigint, captured bigint,
    released bigint, refunded bigint)
    LANGUAGE sql STABLE AS $$
    SELECT c.reference, c.token, c.currency, c.authorized,
           CASE WHEN c.closed THEN 0 ELSE c.authorized - c.captured END,
           c.captured,
           CASE WHEN c.closed THEN c.authorized - c.captured ELSE 0 END,
           c.refunded
      FROM (SELECT a.reference, a.token, a.currency, a.amount AS authorized,
                   CASE a.kind WHEN 'sale' THEN a.amount
                        ELSE coalesce(sum(r.amount) FILTER (WHERE r.kind = 'capture'), 0)::bigint
                   END AS captured,
                   coalesce(sum(r.amount) FILTER (WHERE r.kind = 'refund'), 0)::bigint AS refunded,
                   a.kind = 'sale' OR coalesce(bool_or(r.kind = 'void' OR r.final), false) AS closed
              FROM simulator.requests_at(moment) a
              LEFT JOIN simulator.requests_at(moment) r
                ON r.charge = a.reference AND r.outcome <> 'declined' AND NOT r.reversed
             WHERE a.kind IN ('authorize', 'sale') AND a.outcome = 'approved' AND NOT a.reversed
             GROUP BY a.reference, a.token, a.currency, a.amount, a.kind) AS c
$$;

GRANT SELECT, INSERT, UPDATE ON simulator.bank_accounts TO paywright_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON simulator.notices TO paywright_app;

-- A bank account as a payment method: what may be shown of it, and the currency that it is debited
-- in. An IBAN may end in letters; a card never does.
ALTER TABLE payment_methods
    ADD COLUMN bank_name text,
    ADD COLUMN country text CHECK (country ~ '^[A-Z]{2}$'),
    ADD COLUMN currency text CHECK (currency ~ '^[a-z]{3}$'),
    DROP CONSTRAINT payment_methods_last_four_check,
    ADD CONSTRAINT payment_methods_last_four_check
        CHECK (last_four ~ '^[0-9]{4}$' OR type = 'bank_account' AND last_four ~ '^[0-9A-Z]{4}$');

-- migrate:down

ALTER TABLE payment_methods
    DROP COLUMN bank_name, DROP COLUMN country, DROP COLUMN currency,
    DROP CONSTRAINT payment_methods_last_four_check,
    ADD CONSTRAINT payment_methods_last_four_check CHECK (last_four ~ '^[0-9]{4}$');
DROP FUNCTION simulator.charges_at(timestamptz);
DROP FUNCTION simulator.requests_at(timestamptz);
DROP TABLE simulator.notices, simulator.bank_accounts;
DROP INDEX simulator.requests_charge, simulator.requests_reference;
ALTER TABLE simulator.requests
    DROP COLUMN processor, DROP COLUMN charge, DROP COLUMN final, DROP COLUMN pending;

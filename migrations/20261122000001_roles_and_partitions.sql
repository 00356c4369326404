-- migrate:up

-- Three roles, all without login; the operator (or `paywright up`) grants them to login users.
-- The owner runs migrations; nothing that serves requests owns a table.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['paywright_app', 'paywright_housekeeping', 'paywright_readonly']
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- roles belong to the cluster: another database of it made them already
        END;
    END LOOP;
END
$$;

CREATE EXTENSION IF NOT EXISTS pgcrypto;

-- The smallest UUIDv7 of a moment (RFC 9562, section 5.7): 48 bits of Unix milliseconds first.
-- Partition bounds need no version or variant bits: they compare below every real id.
CREATE FUNCTION uuidv7_floor(moment timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %: its rows are immutable', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- The transition table alone is summed: a journal's entries come in one statement, so nothing is
-- read back and no serializable transaction ever conflicts here.
CREATE FUNCTION journal_must_balance() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    SELECT journal_id, currency,
           sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END) AS difference
      INTO broken
      FROM new_entries
     GROUP BY merchant_id, journal_id, currency
    HAVING sum(CASE entry_type WHEN 'debit' THEN amount ELSE -amount END) <> 0
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % is out of balance by % %',
            broken.journal_id, broken.difference, broken.currency
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

-- Makes the partitions of one month before `moment` to `months_ahead` after it, and returns how
-- many are new. Runs as the owner: housekeeping may call it without owning a table.
CREATE FUNCTION create_month_partitions(moment timestamptz, months_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    parent text;
    partition text;
    first_day timestamptz;
    made integer := 0;
BEGIN
    IF months_ahead NOT BETWEEN 0 AND 24 THEN
        RAISE EXCEPTION 'months_ahead must be 0 to 24, not %', months_ahead;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('create_month_partitions'));
    FOR month IN -1 .. months_ahead LOOP
        first_day := (date_trunc('month', moment AT TIME ZONE 'UTC') + make_interval(months => month))
                     AT TIME ZONE 'UTC';
        FOREACH parent IN ARRAY
            ARRAY['transactions', 'journals', 'ledger_entries', 'ledger_chain', 'audit_log']
        LOOP
            partition := parent || to_char(first_day AT TIME ZONE 'UTC', '_YYYY_MM');
            CONTINUE WHEN to_regclass('public.' || quote_ident(partition)) IS NOT NULL;
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) %s',
                partition, parent, uuidv7_floor(first_day),
                uuidv7_floor(((first_day AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'),
                CASE parent WHEN 'transactions' THEN 'WITH (fillfactor = 60)' ELSE '' END);
            made := made + 1;
            CONTINUE WHEN parent = 'transactions';
            -- Row triggers are inherited from the parent; TRUNCATE and statement triggers are not.
            EXECUTE format(
                'CREATE TRIGGER no_truncate BEFORE TRUNCATE ON %I EXECUTE FUNCTION refuse_change()',
                partition);
            IF parent = 'ledger_entries' THEN
                EXECUTE format(
                    'CREATE TRIGGER balanced AFTER INSERT ON %I REFERENCING NEW TABLE AS new_entries '
                    'EXECUTE FUNCTION journal_must_balance()', partition);
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;

REVOKE EXECUTE ON FUNCTION create_month_partitions(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION create_month_partitions(timestamptz, integer) TO paywright_housekeeping;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- migrate:down

DROP FUNCTION create_month_partitions(timestamptz, integer);
DROP FUNCTION journal_must_balance();
DROP FUNCTION refuse_change();
DROP FUNCTION uuidv7_floor(timestamptz);

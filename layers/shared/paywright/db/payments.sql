-- name: find_payment
SELECT * FROM transactions
 WHERE merchant_id = %(merchant_id)s AND id = %(id)s AND livemode = %(livemode)s

-- name: find_method
SELECT id, customer_id, type, token_vault_ref AS token, fingerprint, risk, brand, currency
  FROM payment_methods
 WHERE merchant_id = %(merchant_id)s AND id = %(id)s AND livemode = %(livemode)s

-- name: stored_key
SELECT fingerprint, response_status, response_body
  FROM idempotency_keys
 WHERE merchant_id = %(merchant_id)s AND livemode = %(livemode)s AND key = %(key)s
   AND (expires_at IS NULL OR expires_at > %(now)s)

-- What every first transaction begins with: the key is of a merchant that may still act, and the
-- idempotency key is new. `asked` is the payment, or the merchant of one that does not exist yet; a
-- key that stands for something leaves `admitted` empty.

-- fragment: active
active AS (
    SELECT m.id AS merchant_id
      FROM merchants m JOIN api_keys k ON k.merchant_id = m.id
     WHERE m.id = %(merchant_id)s AND k.id = %(api_key_id)s
       AND m.status = 'active' AND k.revoked_at IS NULL
)

-- fragment: admitted
key AS (
    INSERT INTO idempotency_keys AS stored
        (merchant_id, livemode, key, fingerprint, operation_id, created_at)
    SELECT merchant_id, %(livemode)s, %(key)s::text, %(fingerprint)s, %(operation_id)s, %(now)s
      FROM asked
     WHERE %(key)s::text IS NOT NULL
    ON CONFLICT (merchant_id, livemode, key) DO UPDATE
       SET fingerprint = excluded.fingerprint, operation_id = excluded.operation_id,
           response_status = NULL, response_body = NULL,
           created_at = excluded.created_at, expires_at = NULL
     WHERE stored.expires_at <= %(now)s
    RETURNING merchant_id
), admitted AS (
    SELECT merchant_id FROM key
    UNION ALL
    SELECT merchant_id FROM asked WHERE %(key)s::text IS NULL
)

-- fragment: intent
operation AS (
    INSERT INTO payment_operations
        (merchant_id, id, transaction_id, livemode, kind, amount, currency, final, refund_id,
         failure_code, processor, state, idempotency_key, actor_id, trace_id, fx_rate,
         fx_rate_source, fx_rate_at, created_at)
    SELECT merchant_id, %(operation_id)s, %(transaction_id)s, %(livemode)s, %(kind)s, %(amount)s,
           %(currency)s, %(final)s, %(refund_id)s, %(return_code)s, %(processor)s, 'pending',
           %(key)s, %(api_key_id)s, %(trace_id)s, %(asked_rate)s, %(asked_rate_source)s,
           %(asked_rate_at)s, %(now)s
      FROM admitted
), pending AS (
    INSERT INTO pending_operations
        (merchant_id, operation_id, transaction_id, kind, amount, refund_id, due_at)
    SELECT merchant_id, %(operation_id)s, %(transaction_id)s, %(kind)s, %(amount)s, %(refund_id)s,
           %(due_at)s
      FROM admitted
)

-- name: begin_authorization
WITH
-- include: active
, asked AS (
    SELECT merchant_id FROM active
),
-- include: admitted
, payment AS (
    INSERT INTO transactions
        (merchant_id, id, livemode, customer_id, payment_method_id, amount, currency,
         method_type, off_session, capture_method, status, processor, fraud_score, fraud_flags,
         settlement_currency, fx_rate, fx_rate_source, fx_rate_at, fx_quote_id, fx_spread_bps,
         description, metadata, created_at, updated_at)
    SELECT merchant_id, %(transaction_id)s, %(livemode)s, %(customer_id)s, %(payment_method_id)s,
           %(amount)s, %(currency)s, %(method_type)s, %(off_session)s, %(capture_method)s, 'pending',
           %(processor)s, %(fraud_score)s, %(fraud_flags)s::jsonb, %(settlement_currency)s,
           %(fx_rate)s, %(fx_rate_source)s, %(fx_rate_at)s, %(fx_quote_id)s, %(fx_spread_bps)s,
           %(description)s, %(metadata)s::jsonb, %(now)s, %(now)s
      FROM admitted
),
-- include: intent
SELECT EXISTS (SELECT FROM active) AS active, true AS unchanged,
       EXISTS (SELECT FROM admitted) AS admitted

-- name: begin_operation
-- The unique index on pending_operations refuses a second one that excludes this.
WITH
-- include: active
, asked AS (
    SELECT merchant_id FROM transactions
     WHERE merchant_id = (SELECT merchant_id FROM active) AND id = %(transaction_id)s
       AND version = %(version)s
       FOR UPDATE
),
-- include: admitted
,
-- include: intent
SELECT EXISTS (SELECT FROM active) AS active,
       EXISTS (SELECT FROM asked) AS unchanged,
       EXISTS (SELECT FROM admitted) AS admitted

-- name: begin_by_itself
-- What nobody asked for: a hold that ran out, money that came back.
WITH admitted AS (
    SELECT merchant_id FROM transactions
     WHERE merchant_id = %(merchant_id)s AND id = %(transaction_id)s AND version = %(version)s
       FOR UPDATE
),
-- include: intent
SELECT merchant_id FROM admitted

-- name: begin_refund
-- The amount is reserved and posted at once.
WITH
-- include: active
, asked AS (
    SELECT merchant_id FROM transactions
     WHERE merchant_id = (SELECT merchant_id FROM active) AND id = %(transaction_id)s
       AND version = %(version)s
),
-- include: admitted
, payment AS (
    UPDATE transactions t
       SET version = t.version + 1, pending_refund_amount = %(pending_refund_amount)s,
           settlement_refunded_amount = %(settlement_refunded_amount)s,
           fee_returned_amount = %(fee_returned_amount)s, updated_at = %(now)s
      FROM admitted
     WHERE t.merchant_id = %(merchant_id)s AND t.id = %(transaction_id)s
       AND t.version = %(version)s
    RETURNING t.merchant_id
), refund AS (
    INSERT INTO refunds
        (merchant_id, id, livemode, version, transaction_id, operation_id, amount, currency, status,
         reason, settlement_currency, settlement_amount, fee_returned_amount, metadata,
         created_at, updated_at)
    SELECT merchant_id, %(refund_id)s, %(livemode)s, 1, %(transaction_id)s, %(operation_id)s,
           %(amount)s, %(currency)s, 'pending', %(reason)s, %(settlement_currency)s,
           %(refund_settlement_amount)s, %(refund_fee_returned_amount)s, %(metadata)s::jsonb,
           %(now)s, %(now)s
      FROM admitted
),
-- include: intent
,
-- include: record
SELECT EXISTS (SELECT FROM active) AS active,
       EXISTS (SELECT FROM asked) AS unchanged,
       EXISTS (SELECT FROM admitted) AS admitted

-- fragment: record
journal AS (
    INSERT INTO journals (merchant_id, id, livemode, transaction_id, kind, created_at)
    SELECT merchant_id, %(journal_id)s, %(livemode)s, %(transaction_id)s, %(journal_kind)s, %(now)s
      FROM payment
     WHERE cardinality(%(entry_ids)s::uuid[]) > 0
    RETURNING merchant_id, id
), entries AS (
    INSERT INTO ledger_entries
        (merchant_id, id, journal_id, transaction_id, livemode, entry_type, account_type, processor,
         amount, currency, created_at)
    SELECT journal.merchant_id, line.id, journal.id, %(transaction_id)s, %(livemode)s, line.side,
           line.account_type, line.processor, line.amount, line.currency, %(now)s
      FROM journal,
           unnest(%(entry_ids)s::uuid[], %(sides)s::text[], %(account_types)s::text[],
                  %(processors)s::text[], %(amounts)s::bigint[], %(currencies)s::text[])
               AS line (id, side, account_type, processor, amount, currency)
), unsequenced AS (
    INSERT INTO ledger_unsequenced (merchant_id, journal_id)
    SELECT merchant_id, id FROM journal
), audit AS (
    INSERT INTO audit_log
        (merchant_id, id, entity_type, entity_id, action, actor_type, actor_id, changes, ip_address,
         user_agent, trace_id, created_at)
    SELECT merchant_id, %(audit_id)s, 'transaction', %(transaction_id)s, %(audit_action)s,
           %(actor_type)s, %(actor_id)s, %(changes)s::jsonb, %(ip_address)s::inet, %(user_agent)s,
           %(trace_id)s, %(now)s
      FROM payment
), event AS (
    INSERT INTO outbox
        (id, merchant_id, livemode, type, object_id, sequence, payload, trace_id, created_at)
    SELECT each.id, merchant_id, %(livemode)s, each.type, %(event_object_id)s, each.sequence,
           each.payload, %(trace_id)s, %(now)s
      FROM payment,
           (VALUES (%(event_id)s::uuid, %(event_type)s, %(event_sequence)s::integer,
                    %(event_payload)s::json),
                   (%(second_event_id)s::uuid, %(second_event_type)s,
                    %(second_event_sequence)s::integer, %(second_event_payload)s::json))
               AS each (id, type, sequence, payload)
     WHERE each.id IS NOT NULL
)

-- name: complete
-- All of T2 hangs on the operation still being undecided and the payment still being the version it
-- was computed from: otherwise `operation` is empty, and so is everything after it.
WITH operation AS (
    UPDATE payment_operations
       SET state = %(state)s, processor_ref = %(operation_ref)s, failure_code = %(operation_failure)s,
           fee_share_amount = %(operation_fee_share)s::bigint, completed_at = %(now)s
     WHERE merchant_id = %(merchant_id)s AND id = %(operation_id)s AND state = 'pending'
       AND EXISTS (SELECT FROM transactions t
                    WHERE t.merchant_id = %(merchant_id)s AND t.id = %(transaction_id)s
                      AND t.version = %(version)s)
    RETURNING merchant_id
), payment AS (
    UPDATE transactions t
       SET version = t.version + 1, sequence = %(sequence)s, status = %(status)s,
           pending_reason = NULL, void_reason = %(void_reason)s,
           captured_amount = %(captured_amount)s, refunded_amount = %(refunded_amount)s,
           pending_refund_amount = %(pending_refund_amount)s, failure_code = %(failure_code)s,
           failure_message = %(failure_message)s, processor_ref = %(processor_ref)s,
           settlement_amount = %(settlement_amount)s,
           settlement_refunded_amount = %(settlement_refunded_amount)s,
           fee_share_amount = %(fee_share_amount)s,
           fee_returned_amount = %(fee_returned_amount)s, fx_rate = %(fx_rate)s,
           fx_rate_source = %(fx_rate_source)s, fx_rate_at = %(fx_rate_at)s,
           expires_at = %(expires_at)s, updated_at = %(now)s
      FROM operation
     WHERE t.merchant_id = %(merchant_id)s AND t.id = %(transaction_id)s
       AND t.version = %(version)s
    RETURNING t.merchant_id
), refund AS (
    UPDATE refunds r
       SET version = r.version + 1, status = %(refund_status)s, pending_reason = NULL,
           failure_code = %(refund_failure_code)s, failure_message = %(refund_failure_message)s,
           processor_ref = %(refund_processor_ref)s, updated_at = %(now)s
      FROM payment
     WHERE r.merchant_id = %(merchant_id)s AND r.id = %(refund_id)s
), no_longer_pending AS (
    DELETE FROM pending_operations p USING operation
     WHERE p.merchant_id = %(merchant_id)s AND p.operation_id = %(operation_id)s
), will_expire AS (
    INSERT INTO authorization_expiries (merchant_id, transaction_id, livemode, expires_at)
    SELECT merchant_id, %(transaction_id)s, %(livemode)s, %(expires_at)s
      FROM payment
     WHERE %(expires_at)s::timestamptz IS NOT NULL AND %(expired_at)s::timestamptz IS NULL
), will_not_expire AS (
    DELETE FROM authorization_expiries x USING payment
     WHERE x.transaction_id = %(transaction_id)s AND x.merchant_id = %(merchant_id)s
       AND %(expires_at)s::timestamptz IS NULL AND %(expired_at)s::timestamptz IS NOT NULL
),
-- include: record
, answered AS (
    UPDATE idempotency_keys k
       SET response_status = coalesce(k.response_status, %(response_status)s),
           response_body = coalesce(k.response_body, %(response_body)s),
           expires_at = %(key_expires_at)s
      FROM payment
     WHERE k.merchant_id = %(merchant_id)s AND k.livemode = %(livemode)s AND k.key = %(key)s
       AND (NOT %(release_key)s OR k.response_body IS NOT NULL)
), released AS (
    DELETE FROM idempotency_keys k USING payment
     WHERE k.merchant_id = %(merchant_id)s AND k.livemode = %(livemode)s AND k.key = %(key)s
       AND %(release_key)s AND k.response_body IS NULL
)
SELECT merchant_id FROM payment

-- name: wait
-- The payment is locked first, as every other statement here does that changes what is pending of
-- it. Without a key nobody is answered.
WITH locked AS (
    SELECT merchant_id FROM transactions
     WHERE merchant_id = %(merchant_id)s AND id = %(transaction_id)s
       FOR UPDATE
), undecided AS (
    UPDATE pending_operations p
       SET due_at = %(due_at)s
      FROM locked
     WHERE p.merchant_id = %(merchant_id)s AND p.operation_id = %(operation_id)s
    RETURNING p.merchant_id
), payment AS (
    UPDATE transactions t
       SET pending_reason = %(pending_reason)s, updated_at = %(now)s
      FROM undecided
     WHERE t.merchant_id = %(merchant_id)s AND t.id = %(transaction_id)s
       AND %(refund_id)s::uuid IS NULL
), refund AS (
    UPDATE refunds r
       SET pending_reason = %(pending_reason)s, updated_at = %(now)s
      FROM undecided
     WHERE r.merchant_id = %(merchant_id)s AND r.id = %(refund_id)s
), key AS (
    UPDATE idempotency_keys k
       SET response_status = %(response_status)s, response_body = %(response_body)s
      FROM undecided
     WHERE k.merchant_id = %(merchant_id)s AND k.livemode = %(livemode)s AND k.key = %(key)s
)
SELECT merchant_id FROM undecided

-- name: find_refund
SELECT * FROM refunds
 WHERE merchant_id = %(merchant_id)s AND id = %(id)s AND livemode = %(livemode)s

-- name: due_expiries
SELECT merchant_id, transaction_id, livemode
  FROM authorization_expiries x
 WHERE expires_at <= %(now)s
   AND NOT EXISTS (SELECT FROM pending_operations p
                    WHERE p.transaction_id = x.transaction_id AND p.merchant_id = x.merchant_id
                      AND p.kind IN ('authorize', 'capture', 'void', 'expire'))
 ORDER BY expires_at
 LIMIT %(limit)s

-- fragment: fee_plans
coalesce((SELECT jsonb_agg(jsonb_build_object(
             'method_type', f.method_type, 'currency', f.currency,
             'basis_points', f.basis_points, 'fixed_amount', f.fixed_amount,
             'returned_on_refund', f.returned_on_refund))
            FROM fee_plans f WHERE f.merchant_id = o.merchant_id), '[]') AS fee_plans

-- name: fee_plans
SELECT
-- include: fee_plans
  FROM (SELECT %(merchant_id)s::uuid AS merchant_id) AS o

-- name: due_operations
SELECT o.merchant_id, o.id AS operation_id, o.transaction_id, o.livemode, o.kind, o.amount, o.final,
       o.refund_id, o.failure_code AS return_code, o.state, o.idempotency_key, o.trace_id,
       o.fx_rate, o.fx_rate_source, o.fx_rate_at, p.attempts, p.reversed_at,
-- include: fee_plans
  FROM pending_operations p
  JOIN payment_operations o ON o.merchant_id = p.merchant_id AND o.id = p.operation_id
 WHERE p.due_at <= %(now)s AND NOT p.needs_person
 ORDER BY p.due_at
 LIMIT %(limit)s

-- name: find_operation
SELECT o.merchant_id, o.id AS operation_id, o.transaction_id, o.livemode, o.kind, o.amount, o.final,
       o.refund_id, o.failure_code AS return_code, o.state, o.idempotency_key, o.trace_id,
       o.fx_rate, o.fx_rate_source, o.fx_rate_at, coalesce(p.attempts, 0) AS attempts,
       p.reversed_at,
-- include: fee_plans
  FROM payment_operations o
  LEFT JOIN pending_operations p ON p.merchant_id = o.merchant_id AND p.operation_id = o.id
 WHERE o.id = %(operation_id)s

-- name: postpone
UPDATE pending_operations
   SET attempts = attempts + 1, due_at = %(due_at)s, reversed_at = %(reversed_at)s,
       needs_person = %(needs_person)s
 WHERE merchant_id = %(merchant_id)s AND operation_id = %(operation_id)s

-- name: postpone_expiry
UPDATE authorization_expiries SET expires_at = %(until)s
 WHERE merchant_id = %(merchant_id)s AND transaction_id = %(transaction_id)s

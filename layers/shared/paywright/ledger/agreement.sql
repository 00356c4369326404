-- name: plan
-- Everything here is a join of all of a merchant's rows: where the planner takes a table for empty
-- that was filled a moment ago, a nested loop would take hours. What is left of them looks dear
-- without being so: not worth compiling.
SELECT set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)

-- fragment: rows
-- What a merchant has. What is under way is undecided in all of it at once: it is one snapshot, and
-- each step of an operation is one transaction.
payment AS (
    SELECT id, livemode, capture_method, status, pending_reason, void_reason, amount, currency,
           captured_amount, refunded_amount, pending_refund_amount, disputed_amount,
           settlement_currency, settlement_amount, settlement_refunded_amount, fee_share_amount,
           fee_returned_amount, fx_rate, fx_spread_bps, expires_at
      FROM transactions WHERE merchant_id = %(merchant_id)s
), operation AS (
    SELECT id, transaction_id, livemode, kind, amount, currency, final, refund_id, state,
           fee_share_amount, fx_rate
      FROM payment_operations WHERE merchant_id = %(merchant_id)s
), refund AS (
    SELECT * FROM refunds WHERE merchant_id = %(merchant_id)s
), dispute AS (
    SELECT id, transaction_id FROM disputes WHERE merchant_id = %(merchant_id)s
), pending AS (
    SELECT * FROM pending_operations WHERE merchant_id = %(merchant_id)s
), journal AS (
    SELECT id, transaction_id, livemode, kind FROM journals WHERE merchant_id = %(merchant_id)s
)

-- fragment: posted
-- What each journal of a payment posts. What is `held`, `charged`, `owed` to the customer, `reserved`
-- for a dispute and `sold` for another currency is in the payment's; what is `bought` for it, what the
-- merchant is `given` of that, with what the platform keeps, and its `spread` and `fee` in the currency
-- that it is settled in.
entries AS (
    SELECT journal_id, currency, sum(signed) AS total,
           -sum(signed) FILTER (WHERE account_type = 'merchant_hold') AS held,
           sum(signed) FILTER (
               WHERE account_type IN ('processor_receivable', 'processor_cost')) AS charged,
           -sum(signed) FILTER (WHERE account_type = 'customer_refund') AS owed,
           -sum(signed) FILTER (WHERE account_type = 'dispute_reserve') AS reserved,
           sum(signed) FILTER (WHERE account_type = 'fx_clearing') AS cleared,
           -sum(signed) FILTER (
               WHERE account_type IN ('merchant_balance', 'fx_spread', 'platform_fee')) AS given,
           -sum(signed) FILTER (WHERE account_type = 'fx_spread') AS spread,
           -sum(signed) FILTER (WHERE account_type = 'platform_fee') AS fee
      FROM (SELECT journal_id, currency, account_type,
                   CASE entry_type WHEN 'debit' THEN amount ELSE -amount END AS signed
              FROM ledger_entries WHERE merchant_id = %(merchant_id)s) AS entry
     GROUP BY journal_id, currency
), posted AS (
    SELECT journal.id, journal.transaction_id, journal.livemode, journal.kind,
           coalesce(presented.held, 0) AS held, coalesce(presented.charged, 0) AS charged,
           coalesce(presented.owed, 0) AS owed, coalesce(presented.reserved, 0) AS reserved,
           coalesce(-presented.cleared, 0) AS sold, coalesce(settled.cleared, 0) AS bought,
           coalesce(settled.given, 0) AS given, coalesce(settled.spread, 0) AS spread,
           coalesce(settled.fee, 0) AS fee
      FROM journal
      JOIN payment ON payment.id = journal.transaction_id
      LEFT JOIN entries AS presented ON presented.journal_id = journal.id
            AND presented.currency = payment.currency
      LEFT JOIN entries AS settled ON settled.journal_id = journal.id
            AND settled.currency = payment.settlement_currency
)

-- fragment: journals
-- A journal sums to zero in each currency. Of a payment it has the id of the operation that caused it,
-- of the refund that was asked for, or of the dispute that was opened.
unbalanced AS (
    SELECT 1 AS rank, 'journals' AS place, journal.id, journal.livemode,
           CASE WHEN bool_and(entries.journal_id IS NULL) THEN 'has no entries'
                ELSE 'does not sum to zero' END AS problem
      FROM journal
      LEFT JOIN entries ON entries.journal_id = journal.id
     WHERE entries.journal_id IS NULL OR entries.total <> 0
     GROUP BY journal.id, journal.livemode
), without_cause AS (
    SELECT 1 AS rank, 'journals' AS place, posted.id, posted.livemode,
           'no operation, refund or dispute of its payment caused it' AS problem
      FROM posted
      LEFT JOIN operation ON operation.id = posted.id
            AND operation.transaction_id = posted.transaction_id
      LEFT JOIN refund ON refund.id = posted.id AND refund.transaction_id = posted.transaction_id
      LEFT JOIN dispute ON dispute.id = posted.id AND dispute.transaction_id = posted.transaction_id
     WHERE operation.id IS NULL AND refund.id IS NULL AND dispute.id IS NULL
)

-- fragment: orphans
-- What is of a payment that does not exist, though its month is still here, or of another mode.
orphans AS (
    SELECT owned.rank, owned.place, owned.id, owned.livemode,
           CASE
           WHEN payment.livemode <> owned.livemode THEN 'its payment is of another mode'
           WHEN payment.id IS NULL
                AND 'transactions' || to_char(to_timestamp(
                    ('x' || left(replace(owned.transaction_id::text, '-', ''), 12))
                    ::bit(48)::bigint / 1000.0) AT TIME ZONE 'UTC', '_YYYY_MM')
                    = ANY (%(months)s)
                THEN 'its payment ' || owned.transaction_id || ' does not exist'
           END AS problem
      FROM (SELECT 1 AS rank, 'journals' AS place, id, livemode, transaction_id FROM journal
             WHERE transaction_id IS NOT NULL
             UNION ALL
            SELECT 3, 'refunds', id, livemode, transaction_id FROM refund
             UNION ALL
            SELECT 4, 'payment_operations', id, livemode, transaction_id FROM operation) AS owned
      LEFT JOIN payment ON payment.id = owned.transaction_id
)

-- fragment: payments
-- What a payment says of itself beside what its operations make of it (docs/payments.md), and
-- beside what is posted. A transfer that came back was captured all the same, and the merchant bears
-- what it gave back before.
done AS (
    SELECT transaction_id,
           max(state) FILTER (WHERE kind = 'authorize') AS made,
           max(amount) FILTER (WHERE kind = 'authorize') AS amount,
           coalesce(sum(amount) FILTER (WHERE kind = 'capture' AND state = 'succeeded'), 0)
           AS captured,
           coalesce(bool_or(state = 'succeeded' AND (kind IN ('void', 'expire')
               OR kind = 'capture' AND final)), false) AS is_released,
           coalesce(bool_or(state = 'succeeded' AND kind = 'return'), false) AS is_returned,
           coalesce(bool_or(state = 'pending' AND kind <> 'refund'), false) AS is_undecided,
           -- Nobody knows where one of them is older than the column.
           CASE WHEN NOT bool_or(state = 'succeeded' AND fee_share_amount IS NULL)
                THEN coalesce(sum(fee_share_amount), 0) END AS fee_share,
           max(CASE kind WHEN 'void' THEN 'requested' WHEN 'expire' THEN 'expired' END)
           FILTER (WHERE state = 'succeeded') AS void_reason
      FROM operation
     GROUP BY transaction_id
), posted_for AS (
    SELECT payment.id AS transaction_id,
           coalesce(sum(charged) FILTER (WHERE kind IN ('authorize', 'capture')), 0) AS captured,
           coalesce(sum(given) FILTER (WHERE kind IN ('authorize', 'capture')), 0) AS settled,
           coalesce(sum(fee) FILTER (WHERE kind IN ('authorize', 'capture')), 0) AS fee,
           coalesce(-sum(charged) FILTER (WHERE starts_with(kind, 'refund')), 0) AS refunded,
           coalesce(-sum(given) FILTER (WHERE starts_with(kind, 'refund')), 0) AS taken_back,
           coalesce(-sum(fee) FILTER (WHERE starts_with(kind, 'refund')), 0) AS fee_returned,
           coalesce(-sum(charged) FILTER (WHERE kind = 'return'), 0) AS returned,
           coalesce(-sum(given) FILTER (WHERE kind = 'return'), 0) AS returned_settled,
           coalesce(sum(owed), 0) AS owed,
           -- What the card network takes from the reserve is disputed all the same.
           coalesce(sum(reserved - charged) FILTER (WHERE starts_with(kind, 'dispute')), 0)
           AS disputed,
           coalesce(sum(held), 0) AS held
      FROM payment
      LEFT JOIN posted ON posted.transaction_id = payment.id
     GROUP BY payment.id
), beside AS (
    SELECT payment.id, payment.livemode, done.made, payment.amount, done.amount AS made_amount,
           ARRAY[payment.status, payment.void_reason, payment.pending_reason]::text[] AS facts,
           ARRAY[made.status, done.void_reason,
                 CASE WHEN done.is_undecided THEN payment.pending_reason END]::text[] AS made_facts,
           ARRAY[captured_amount, coalesce(settlement_amount, 0), refunded_amount,
                 pending_refund_amount, disputed_amount, settlement_refunded_amount,
                 payment.fee_returned_amount,
                 CASE made.status WHEN 'authorized' THEN done.amount - posted_for.captured
                 ELSE 0 END,
                 CASE WHEN done.is_returned THEN captured_amount ELSE 0 END,
                 CASE WHEN done.is_returned THEN settlement_amount ELSE 0 END] AS amounts,
           ARRAY[posted_for.captured, posted_for.settled, posted_for.refunded,
                 posted_for.owed, posted_for.disputed, posted_for.taken_back,
                 posted_for.fee_returned, posted_for.held, posted_for.returned,
                 posted_for.returned_settled]
           AS posted_amounts,
           payment.fee_share_amount, done.fee_share AS made_fee_share,
           posted_for.fee AS posted_fee
      FROM payment
      LEFT JOIN done ON done.transaction_id = payment.id
      JOIN posted_for ON posted_for.transaction_id = payment.id
     CROSS JOIN LATERAL (
           SELECT CASE WHEN done.made <> 'succeeded' THEN done.made
                       WHEN done.is_returned THEN 'failed'
                       WHEN payment.capture_method <> 'automatic' AND NOT done.is_released
                            AND done.captured < done.amount THEN 'authorized'
                       WHEN posted_for.captured = 0 THEN 'voided'
                       WHEN posted_for.refunded = posted_for.captured THEN 'refunded'
                       ELSE 'captured' END AS status) AS made
), payments AS (
    SELECT 2 AS rank, 'transactions' AS place, id, livemode, 'no operation made it' AS problem
      FROM beside WHERE made IS NULL
     UNION ALL
    SELECT 2, 'transactions', id, livemode,
           'its amount is ' || amount || ', by its operations it is ' || made_amount
      FROM beside WHERE amount <> made_amount
     UNION ALL
    SELECT 2, 'transactions', id, livemode,
           'its ' || fact.name || ' is ' || coalesce(fact.stored, 'none')
           || ', by its operations it is ' || coalesce(fact.made, 'none')
      FROM beside
     CROSS JOIN LATERAL unnest(ARRAY['status', 'void_reason', 'pending_reason'], facts, made_facts)
           AS fact (name, stored, made)
     WHERE beside.made IS NOT NULL AND facts <> made_facts
       AND fact.stored IS DISTINCT FROM fact.made
     UNION ALL
    SELECT 2, 'transactions', id, livemode,
           'its ' || each.name || ' is ' || each.stored || ', in the ledger it is ' || each.posted
      FROM beside
     CROSS JOIN LATERAL unnest(
           ARRAY['captured_amount', 'settlement_amount', 'refunded_amount', 'pending_refund_amount',
                 'disputed_amount', 'settlement_refunded_amount', 'fee_returned_amount',
                 'held amount', 'returned amount', 'returned settlement_amount'],
           amounts, posted_amounts)
           AS each (name, stored, posted)
     WHERE amounts <> posted_amounts AND each.stored <> each.posted
     UNION ALL
    SELECT 2, 'transactions', id, livemode,
           'its fee_share_amount is ' || fee_share_amount || ', by its operations it is '
           || made_fee_share
      FROM beside WHERE fee_share_amount <> made_fee_share
     UNION ALL
    SELECT 2, 'transactions', id, livemode,
           'its fee_share_amount is ' || fee_share_amount || ', in the ledger the whole fee is '
           || posted_fee
      FROM beside WHERE fee_share_amount NOT BETWEEN 0 AND posted_fee
)

-- fragment: holds
-- What is held is on the list of what runs out, and is released when it has, unless another operation
-- is under way.
holds AS (
    SELECT 6 AS rank, 'transactions' AS place, held.id, held.livemode,
           CASE
           WHEN NOT is_listed OR expires_at IS NULL THEN 'it is held, and nobody is to release it'
           WHEN expires_at < %(since)s AND pending.operation_id IS NULL
                THEN 'it is still held, and was to be released at '
                     || to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
           END AS problem
      FROM (SELECT id, livemode, expires_at,
                   EXISTS (SELECT FROM authorization_expiries AS listed
                            WHERE listed.transaction_id = payment.id
                              AND listed.merchant_id = %(merchant_id)s) AS is_listed
              FROM payment WHERE status = 'authorized') AS held
      LEFT JOIN pending ON pending.transaction_id = held.id AND pending.kind <> 'refund'
)

-- fragment: shares
-- What refunds take back of what was settled is the share that they are of the capture, and so is what
-- they give back of the fee while the plan says so: rounded half-even over all of them so far
-- (`fx.rates.refund_share`). Where one failed, those after it were rounded with it, or without.
shares AS (
    SELECT 6 AS rank, 'transactions' AS place, id, livemode,
           'its ' || name || ' is ' || taken || ', which is not what refunds of ' || refunded
           || ' out of ' || captured_amount || ' come to of ' || whole AS problem
      FROM (SELECT payment.id, payment.livemode, payment.captured_amount, each.*, so_far.failed,
                   so_far.amount, so_far.refunded,
                   abs(2 * (each.taken * captured_amount::numeric - each.whole * so_far.amount))
                   AS twice_off
              FROM payment
              JOIN (SELECT transaction_id, status = 'failed' AS failed,
                           sum(amount) OVER (PARTITION BY transaction_id ORDER BY id) AS amount,
                           sum(amount) OVER (PARTITION BY transaction_id) AS refunded
                      FROM refund) AS so_far ON so_far.transaction_id = payment.id
             CROSS JOIN LATERAL (
                   VALUES ('settlement_refunded_amount', settlement_refunded_amount::bigint,
                           settlement_amount, false),
                          ('fee_returned_amount', fee_returned_amount, fee_share_amount, true))
                   AS each (name, taken, whole, is_up_to_plan)) AS refunds_so_far
     GROUP BY id, livemode, captured_amount, name, taken, whole, is_up_to_plan, refunded
    HAVING NOT bool_or(failed)
           AND NOT (is_up_to_plan AND taken = 0)
           AND NOT bool_or((is_up_to_plan OR amount = refunded)
                           AND (twice_off < captured_amount
                                OR twice_off = captured_amount AND taken %% 2 = 0))
)

-- fragment: refunds
-- A refund beside the journal that took it from the merchant, and beside its operations: the one
-- that gave it to the customer, and one by which it came back.
refunds_judged AS (
    SELECT 3 AS rank, 'refunds' AS place, judged.id, judged.livemode, judged.problem
      FROM (SELECT refund.id, refund.livemode,
                   CASE
                   WHEN asked.id IS NULL THEN 'its operation does not exist'
                   WHEN refund.currency <> payment.currency
                        OR refund.settlement_currency <> payment.settlement_currency
                        THEN 'its currencies are not those of its payment'
                   WHEN refund.status <> wanted.status
                        THEN 'its status is ' || refund.status || ', by its operations it is '
                             || wanted.status
                   WHEN refund.pending_reason IS NOT NULL AND wanted.status <> 'pending'
                        THEN 'its pending_reason is ' || refund.pending_reason
                             || ', by its operations it is none'
                   WHEN request.id IS NULL THEN 'nothing is posted for it'
                   WHEN request.kind <> 'refund_requested'
                        THEN 'its journal is of the kind ' || request.kind
                             || ', not refund_requested'
                   WHEN refund.amount <> request.owed
                        THEN 'its amount is ' || refund.amount || ', in the ledger it is '
                             || request.owed
                   WHEN refund.settlement_amount <> -request.given
                        THEN 'its settlement_amount is ' || refund.settlement_amount
                             || ', in the ledger it is ' || -request.given
                   WHEN refund.fee_returned_amount <> -request.fee
                        THEN 'its fee_returned_amount is ' || refund.fee_returned_amount
                             || ', in the ledger it is ' || -request.fee
                   END AS problem
              FROM refund
              JOIN payment ON payment.id = refund.transaction_id
              LEFT JOIN operation AS asked ON asked.id = refund.operation_id
                    AND asked.transaction_id = refund.transaction_id
                    AND asked.refund_id = refund.id AND asked.kind = 'refund'
              LEFT JOIN (SELECT DISTINCT refund_id FROM operation
                          WHERE kind = 'refund_return' AND state = 'succeeded') AS came_back
                     ON came_back.refund_id = refund.id
              LEFT JOIN posted AS request ON request.id = refund.id
                    AND request.transaction_id = refund.transaction_id
             CROSS JOIN LATERAL (SELECT CASE WHEN came_back.refund_id IS NULL THEN asked.state
                                             ELSE 'failed' END AS status) AS wanted) AS judged
)

-- fragment: operations
-- An operation beside its journal: what succeeded has one, and a refund that failed.
operations_judged AS (
    SELECT 4 AS rank, 'payment_operations' AS place, judged.id, judged.livemode, judged.problem
      FROM (SELECT operation.id, operation.livemode,
                   CASE
                   WHEN operation.currency <> payment.currency
                        THEN 'its currency is ' || operation.currency || ', that of its payment '
                             || payment.currency
                   WHEN operation.kind IN ('refund', 'refund_return') AND refund.id IS NULL
                        THEN 'its refund does not exist'
                   WHEN operation.state = 'pending' AND pending.operation_id IS NULL
                        THEN 'it is undecided, and nobody is to look at it'
                   WHEN posted.id IS NULL AND wanted.kind IS NOT NULL
                        THEN 'nothing is posted for it'
                   WHEN posted.id IS NOT NULL AND wanted.kind IS NULL
                        THEN 'it is ' || operation.state || ', and posted all the same'
                   WHEN posted.kind <> wanted.kind
                        THEN 'its journal is of the kind ' || posted.kind || ', not '
                             || wanted.kind
                   WHEN operation.amount <> wanted.amount
                        THEN 'its amount is ' || operation.amount || ', in the ledger it is '
                             || wanted.amount
                   WHEN operation.amount <> refund.amount
                        THEN 'its amount is ' || operation.amount || ', that of its refund '
                             || refund.amount
                   END AS problem
              FROM operation
              JOIN payment ON payment.id = operation.transaction_id
              LEFT JOIN refund ON refund.id = operation.refund_id
                    AND refund.transaction_id = operation.transaction_id
              LEFT JOIN pending ON pending.operation_id = operation.id
              LEFT JOIN posted ON posted.id = operation.id
                    AND posted.transaction_id = operation.transaction_id
             CROSS JOIN LATERAL (
                   SELECT CASE WHEN operation.state = 'succeeded' THEN operation.kind
                               WHEN operation.state = 'failed' AND operation.kind = 'refund'
                               THEN 'refund_failed' END AS kind,
                          CASE operation.kind
                          WHEN 'authorize' THEN posted.held + posted.charged
                          WHEN 'capture' THEN posted.charged
                          WHEN 'void' THEN -posted.held
                          WHEN 'expire' THEN -posted.held
                          WHEN 'refund' THEN -posted.owed
                          WHEN 'return' THEN -posted.charged
                          WHEN 'refund_return' THEN posted.charged
                          END AS amount) AS wanted) AS judged
), pending_judged AS (
    SELECT 5 AS rank, 'pending_operations' AS place, pending.operation_id AS id, operation.livemode,
           CASE
           WHEN operation.id IS NULL THEN 'its operation does not exist'
           WHEN operation.state <> 'pending' THEN 'its operation is ' || operation.state || ' already'
           WHEN (pending.transaction_id, pending.kind, pending.amount)
                <> (operation.transaction_id, operation.kind, operation.amount)
                OR pending.refund_id IS DISTINCT FROM operation.refund_id
                THEN 'it is not what its operation says'
           END AS problem
      FROM pending
      LEFT JOIN operation ON operation.id = pending.operation_id
)

-- fragment: conversions
-- What a capture comes to in another currency at the rate that it was begun with, and the spread of
-- that: each rounded half-even once (`fx.rates.convert`). A payment has the rate of its last one. Where
-- an earlier one was begun before operations had theirs, what it came to is taken as it is.
converted AS (
    SELECT operation.id, operation.transaction_id, operation.livemode, operation.amount,
           operation.fx_rate, payment.fx_rate AS last_rate, payment.fx_spread_bps, payment.currency,
           payment.settlement_currency, posted.sold, posted.bought, posted.spread,
           row_number() OVER (PARTITION BY operation.transaction_id
                              ORDER BY operation.id DESC) = 1 AS is_last
      FROM operation
      JOIN payment ON payment.id = operation.transaction_id
      JOIN posted ON posted.id = operation.id AND posted.transaction_id = operation.transaction_id
     WHERE payment.currency <> payment.settlement_currency
           AND operation.kind IN ('authorize', 'capture') AND posted.charged > 0
), conversions AS (
    SELECT 2 AS rank, 'transactions' AS place, transaction_id AS id, livemode,
           'its fx_rate is ' || coalesce(last_rate::text, 'none') || ', that of none of its captures'
           AS problem
      FROM converted
     GROUP BY transaction_id, livemode, last_rate
    HAVING bool_or(coalesce(fx_rate, last_rate) IS NOT DISTINCT FROM last_rate) IS FALSE
     UNION ALL
    SELECT 4, 'payment_operations', id, livemode,
           CASE
           WHEN mid.value IS NULL THEN 'it is converted, and at which rate is not known'
           WHEN (sold, bought) <> (amount, mid.value)
                THEN 'at its rate ' || amount || ' ' || currency || ' are ' || mid.value || ' '
                     || settlement_currency || ', in the ledger ' || sold || ' are ' || bought
           WHEN spread <> kept.value
                THEN 'its spread is ' || kept.value || ', in the ledger it is ' || spread
           END
      FROM converted
     CROSS JOIN LATERAL (
           SELECT CASE WHEN fx_rate IS NULL AND NOT is_last THEN bought
                  ELSE amount * coalesce(fx_rate, last_rate) * 10::numeric
                       ^ ((%(exponents)s::jsonb ->> settlement_currency)::int
                          - (%(exponents)s::jsonb ->> currency)::int) END AS value) AS exact
     CROSS JOIN LATERAL (
           SELECT round(exact.value) - (exact.value %% 2 = 0.5)::int AS value) AS mid
     CROSS JOIN LATERAL (SELECT mid.value * fx_spread_bps * 0.0001 AS value) AS share
     CROSS JOIN LATERAL (
           SELECT round(share.value) - (share.value %% 2 = 0.5)::int AS value) AS kept
)

-- name: disagreements
-- What of a merchant does not agree: journals first, since they cannot be mended.
WITH
-- include: rows
,
-- include: posted
,
-- include: journals
,
-- include: orphans
,
-- include: payments
,
-- include: holds
,
-- include: shares
,
-- include: refunds
,
-- include: operations
,
-- include: conversions
SELECT place, id, livemode, problem
  FROM (SELECT * FROM unbalanced
         UNION ALL
        SELECT * FROM orphans
         UNION ALL
        SELECT * FROM without_cause
         UNION ALL
        SELECT * FROM payments
         UNION ALL
        SELECT * FROM holds
         UNION ALL
        SELECT * FROM shares
         UNION ALL
        SELECT * FROM refunds_judged
         UNION ALL
        SELECT * FROM operations_judged
         UNION ALL
        SELECT * FROM conversions
         UNION ALL
        SELECT * FROM pending_judged) AS found
 WHERE problem IS NOT NULL
 ORDER BY rank, id, problem
 LIMIT %(limit)s

-- name: known
SELECT EXISTS (SELECT FROM merchants WHERE id = %(merchant_id)s);

-- name: plans
SELECT method_type, currency, basis_points, fixed_amount, returned_on_refund
  FROM fee_plans
 WHERE merchant_id = %(merchant_id)s
 ORDER BY method_type, currency;

-- name: set
WITH before AS (
    SELECT basis_points, fixed_amount, returned_on_refund
      FROM fee_plans
     WHERE merchant_id = %(merchant_id)s AND method_type = %(method_type)s
       AND currency = %(currency)s
       FOR UPDATE
), plan AS (
    INSERT INTO fee_plans
        (merchant_id, method_type, currency, basis_points, fixed_amount, returned_on_refund)
    VALUES (%(merchant_id)s, %(method_type)s, %(currency)s, %(basis_points)s, %(fixed_amount)s,
            %(returned_on_refund)s)
    ON CONFLICT (merchant_id, method_type, currency) DO UPDATE
       SET basis_points = excluded.basis_points, fixed_amount = excluded.fixed_amount,
           returned_on_refund = excluded.returned_on_refund
)
INSERT INTO audit_log
    (merchant_id, id, entity_type, entity_id, action, actor_type, actor_id, changes, created_at)
VALUES (%(merchant_id)s, %(audit_id)s, 'fee_plan', %(merchant_id)s, 'fee_plan_set', 'admin',
        %(actor)s,
        jsonb_build_object(%(method_type)s || ' ' || %(currency)s, jsonb_build_array(
            (SELECT to_jsonb(before) FROM before),
            jsonb_build_object('basis_points', %(basis_points)s::integer,
                               'fixed_amount', %(fixed_amount)s::bigint,
                               'returned_on_refund', %(returned_on_refund)s::boolean))),
        %(now)s);

-- name: key_hashes
SELECT key_hash FROM api_keys WHERE merchant_id = %(merchant_id)s;

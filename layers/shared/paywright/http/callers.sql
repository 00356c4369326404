-- name: find_caller
SELECT m.id AS merchant_id, k.id AS api_key_id, k.livemode, m.settlement_currency,
       m.rate_limit_per_min, m.fx_spread_bps, m.status,
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                    'method_type', f.method_type, 'currency', f.currency,
                    'basis_points', f.basis_points, 'fixed_amount', f.fixed_amount,
                    'returned_on_refund', f.returned_on_refund))
                   FROM fee_plans f WHERE f.merchant_id = m.id), '[]') AS fee_plans
  FROM api_keys k JOIN merchants m ON m.id = k.merchant_id
 WHERE k.key_hash = %(key_hash)s AND k.revoked_at IS NULL

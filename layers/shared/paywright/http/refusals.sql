-- name: note_refusal
INSERT INTO audit_log
    (merchant_id, id, entity_type, entity_id, action, actor_type, actor_id, changes, ip_address,
     user_agent, trace_id, created_at)
VALUES (%(merchant_id)s, %(audit_id)s, %(entity_type)s, %(entity_id)s, 'request_refused', 'api_key',
        %(actor_id)s, %(changes)s::jsonb, %(ip_address)s::inet, %(user_agent)s, %(trace_id)s,
        %(now)s)

-- name: count_request
INSERT INTO rate_limit_windows AS w (merchant_id, window_start, requests)
VALUES (%(merchant_id)s, %(window)s, 1)
ON CONFLICT (merchant_id, window_start) DO UPDATE SET requests = w.requests + 1
RETURNING requests

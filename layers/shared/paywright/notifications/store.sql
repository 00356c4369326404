-- name: claim
-- One mail for each event and kind: who gets the row sends it. A row that its claimant has left
-- undecided, because it died, is taken over once its time is up.
WITH merchant AS (
    SELECT id, coalesce(notification_email_encrypted, email_encrypted) AS email_encrypted,
           %(kind)s = ANY (notifications_off) AS is_off
      FROM merchants
     WHERE id = %(merchant_id)s
), claimed AS (
    INSERT INTO notifications AS known
           (merchant_id, event_id, kind, status, attempts, claimed_until, created_at)
    SELECT id, %(event_id)s, %(kind)s, CASE WHEN is_off THEN 'unwanted' ELSE 'sending' END, 1,
           %(claimed_until)s, %(now)s
      FROM merchant
        ON CONFLICT (merchant_id, event_id, kind) DO UPDATE
           SET status = excluded.status, attempts = known.attempts + 1,
               claimed_until = excluded.claimed_until
         WHERE known.status = 'failed'
            OR (known.status = 'sending' AND known.claimed_until <= %(wall_now)s)
    RETURNING status
)
SELECT claimed.status AS claimed, known.status AS known,
       CASE WHEN claimed.status = 'sending'
            THEN pgp_sym_decrypt(merchant.email_encrypted, %(pii_key)s) END AS address
  FROM merchant
  LEFT JOIN claimed ON true
  LEFT JOIN notifications AS known
         ON known.merchant_id = merchant.id AND known.event_id = %(event_id)s
        AND known.kind = %(kind)s;

-- name: record
UPDATE notifications
   SET status = %(status)s, message_id = %(message_id)s, error = %(error)s, decided_at = %(now)s
 WHERE merchant_id = %(merchant_id)s AND event_id = %(event_id)s AND kind = %(kind)s
   AND status = 'sending';

-- fragment: those_of_the_day
-- What the same recipient is told of the same kind, on the day on which this one came up.
t.merchant_id = %(merchant_id)s AND t.kind = %(kind)s AND t.recipient = %(recipient)s
   AND t.event_id <> %(event_id)s AND t.created_at >= day.begins
   AND t.created_at < day.begins + interval '1 day'

-- name: claim
-- One mail for each event, kind and recipient: who gets the row sends it. A row that its claimant has
-- left undecided, because it died, is taken over once its time is up. A day's first go, in whatever
-- order they are claimed: a row that was there before counts those older than itself, sent or not yet.
-- Two new rows at one moment do not see each other: the limit may be passed by as many as there are
-- senders. One that failed counts too: SES may have sent it all the same.
WITH before AS (
    SELECT status, created_at, address_encrypted
      FROM notifications
     WHERE merchant_id = %(merchant_id)s AND event_id = %(event_id)s AND kind = %(kind)s
       AND recipient = %(recipient)s
), day AS (
    SELECT date_trunc('day', coalesce(came_up, %(now)s), 'UTC') AS begins, came_up
      FROM (SELECT (SELECT created_at FROM before) AS came_up) AS mine
), merchant AS (
    SELECT id,
           CASE %(recipient)s
               WHEN 'chosen' THEN coalesce(notification_email_encrypted, email_encrypted)
               WHEN 'own' THEN email_encrypted
               ELSE coalesce((SELECT address_encrypted FROM before), email_encrypted)
               END AS address_encrypted,
           %(recipient)s = 'chosen'
               AND (%(kind)s = ANY (notifications_off)
                    OR (%(is_told_to_own)s AND notification_email_encrypted IS NULL)) AS is_off,
           (SELECT count(*) FROM (SELECT FROM notifications t, day
                                   WHERE t.status IN ('waiting', 'sending', 'sent', 'failed')
                                     AND (day.came_up IS NULL OR (t.created_at, t.event_id)
                                          < (day.came_up, %(event_id)s)) AND
-- include: those_of_the_day
                                   LIMIT %(most)s) AS told) >= %(most)s AS is_too_much
      FROM merchants
     WHERE id = %(merchant_id)s
), claimed AS (
    INSERT INTO notifications AS known
           (merchant_id, event_id, kind, recipient, status, error, attempts, claimed_until,
            created_at)
    SELECT id, %(event_id)s, %(kind)s, %(recipient)s,
           CASE WHEN is_off THEN 'unwanted' WHEN is_too_much THEN 'withheld' ELSE 'sending' END,
           CASE WHEN is_too_much AND NOT is_off THEN %(too_much)s END, 1, %(claimed_until)s, %(now)s
      FROM merchant
        ON CONFLICT (merchant_id, event_id, kind, recipient) DO UPDATE
           SET status = excluded.status, error = excluded.error, attempts = known.attempts + 1,
               claimed_until = excluded.claimed_until
         WHERE known.status IN ('waiting', 'failed')
            OR (known.status = 'sending' AND known.claimed_until <= %(wall_now)s)
    RETURNING status
)
SELECT claimed.status AS claimed, before.status AS known, merchant.address_encrypted,
       claimed.status = 'withheld' AND NOT EXISTS (
           SELECT FROM notifications t, day WHERE t.status = 'withheld' AND
-- include: those_of_the_day
       ) AS is_first_withheld
  FROM merchant
  LEFT JOIN claimed ON true
  LEFT JOIN before ON true;

-- name: record
UPDATE notifications
   SET status = %(status)s, message_id = %(message_id)s, error = %(error)s, decided_at = %(now)s
 WHERE merchant_id = %(merchant_id)s AND event_id = %(event_id)s AND kind = %(kind)s
   AND recipient = %(recipient)s AND status = 'sending';

-- migrate:up

-- Whether what waits has failed for good and is to be told to the dead-letter queue: nothing else of a
-- disabled endpoint is done, and it is found however much else waits there.
ALTER TABLE webhook_waiting ADD COLUMN dead_letter boolean NOT NULL DEFAULT false;
UPDATE webhook_waiting AS waiting SET dead_letter = true
  FROM webhook_deliveries AS delivery
 WHERE delivery.merchant_id = waiting.merchant_id AND delivery.id = waiting.delivery_id
   AND delivery.status = 'failed';
CREATE INDEX webhook_waiting_dead_letters ON webhook_waiting (endpoint_id, due_at) WHERE dead_letter;

-- migrate:down

DROP INDEX webhook_waiting_dead_letters;
ALTER TABLE webhook_waiting DROP COLUMN dead_letter;

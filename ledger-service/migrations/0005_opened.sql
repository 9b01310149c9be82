-- In which order top-ups were opened. An idempotency key names the one that was opened last; when
-- they were made says so only as far as the clocks of several ledgers agree.

ALTER TABLE top_ups ADD COLUMN opened bigint;
UPDATE top_ups t SET opened = o.place
  FROM (SELECT id, row_number() OVER (ORDER BY created_ms, id) AS place FROM top_ups) o
 WHERE o.id = t.id;
CREATE SEQUENCE top_ups_opened OWNED BY top_ups.opened;
SELECT setval('top_ups_opened', (SELECT coalesce(max(opened), 0) + 1 FROM top_ups), false);
ALTER TABLE top_ups ALTER COLUMN opened SET DEFAULT nextval('top_ups_opened'),
                    ALTER COLUMN opened SET NOT NULL;

DROP INDEX named_top_ups;
CREATE INDEX named_top_ups ON top_ups (client, currency, idempotency_key, opened)
    WHERE idempotency_key IS NOT NULL;

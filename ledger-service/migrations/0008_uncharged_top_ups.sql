-- Which top-ups ended without a charge, and when: they are forgotten in their time, with all that only
-- they had. A trigger lists them, so that those are listed that a ledger of the version before closes.

CREATE TABLE uncharged_top_ups (
    id       uuid PRIMARY KEY,
    client   client_id NOT NULL,
    ended_ms bigint    NOT NULL,
    -- The PaymentIntent that waited for its cardholder.
    waited   text
);
CREATE INDEX uncharged_top_ups_by_time ON uncharged_top_ups (ended_ms);
CREATE INDEX uncharged_top_ups_by_client ON uncharged_top_ups (client);

CREATE FUNCTION is_uncharged(record jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS
    $$ SELECT record #>> '{state,state}' IN ('refused', 'lapsed') $$;

CREATE FUNCTION list_uncharged() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    waited text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        waited := OLD.record #>> '{state,payment_intent}';
    END IF;
    IF is_uncharged(NEW.record) THEN
        INSERT INTO uncharged_top_ups VALUES (NEW.id, NEW.client, now_ms(), waited)
            ON CONFLICT (id) DO NOTHING;
    END IF;
    RETURN NULL;
END $$;

-- Waits for top-ups that are being written, not for backups, and gives up before many wait behind it.
DO $$
DECLARE
    attempts int := 0;
BEGIN
    LOOP
        BEGIN
            -- Later attempts wait for longer than `deadlock_timeout`: that ends an autovacuum.
            PERFORM set_config('lock_timeout', CASE WHEN attempts < 100 THEN '100ms' ELSE '3s' END, true);
            LOCK TABLE top_ups IN SHARE ROW EXCLUSIVE MODE;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            attempts := attempts + 1;
            IF attempts > 120 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.2);
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', '0', true);
END $$;
CREATE TRIGGER uncharged_are_listed AFTER INSERT OR UPDATE ON top_ups
    FOR EACH ROW EXECUTE FUNCTION list_uncharged();

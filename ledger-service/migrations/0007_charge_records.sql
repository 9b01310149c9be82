-- What is remembered of charge ids, in pieces of time that are dropped whole. `charges` was swept
-- row by row, and each batch paid for rows that an open snapshot (a backup) kept from going away.
-- Ledgers of the version before serve while this runs: they call the same `apply_batch`.

CREATE TABLE charge_records (
    id            bytea PRIMARY KEY CHECK (length(id) = 16),
    state         text NOT NULL CHECK (state IN ('deducted', 'voided', 'refused')),
    client        client_id,
    currency      currency,
    amount        units,
    route         text,
    balance_after units,
    CHECK (state <> 'deducted'
           OR (client, currency, amount, route, balance_after) IS NOT NULL)
) PARTITION BY RANGE (id);
CREATE INDEX charge_records_by_account ON charge_records (client, currency, id)
    WHERE state = 'deducted';

-- The pieces that exist: each ends where the next one begins.
CREATE TABLE charge_pieces (
    name   text   PRIMARY KEY,
    end_ms bigint NOT NULL UNIQUE
);

-- One row. Ids minted before `forgotten_before` may have been dropped, so they are refused, whatever
-- a ledger's setting says. Pieces exist up to `made_until`. Ids minted before `earlier_until` may be
-- in `charges`; null once that table is dropped.
CREATE TABLE charge_memory (
    single           boolean PRIMARY KEY DEFAULT true CHECK (single),
    forgotten_before bigint NOT NULL,
    made_until       bigint NOT NULL,
    earlier_until    bigint
);

INSERT INTO charge_memory VALUES (true, 0, 0, 0);

-- Makes pieces until there is one for `until_ms`. An id of any time from `forgotten_before` on has
-- a piece: the first one begins before all ids. ATTACH waits for nobody who reads or writes records.
CREATE FUNCTION make_charge_pieces(until_ms bigint, piece_ms bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    first_ms bigint;
    end_ms   bigint;
    piece    text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('charge_pieces', 402));
    SELECT made_until INTO first_ms FROM charge_memory;
    WHILE first_ms <= until_ms LOOP
        -- After a standstill, one piece takes all of the time that passed.
        end_ms := (greatest(first_ms, now_ms()) / piece_ms + 1) * piece_ms;
        piece := 'charge_records_' || CASE WHEN first_ms = 0 THEN 'first' ELSE
            to_char(to_timestamp(first_ms / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD"t"HH24MISS') END;
        EXECUTE format('CREATE TABLE %I (LIKE charge_records INCLUDING CONSTRAINTS INCLUDING INDEXES)',
                       piece);
        EXECUTE format('ALTER TABLE charge_records ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%L)',
                       piece,
                       CASE WHEN first_ms = 0 THEN 'MINVALUE' ELSE quote_literal(first_id_at(first_ms)) END,
                       first_id_at(end_ms));
        INSERT INTO charge_pieces VALUES (piece, end_ms);
        UPDATE charge_memory SET made_until = end_ms;
        first_ms := end_ms;
    END LOOP;
END $$;
SELECT make_charge_pieces(now_ms() + 7200000, 3600000);

-- A seventh of what is remembered, from an hour to a day: so little is kept for longer than it must.
CREATE FUNCTION charge_piece_ms(memory_ms bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT least(greatest(memory_ms / 7, 3600000), 86400000) $$;

-- What is remembered of these ids. Each plan is made for its ids, so that it touches their pieces only.
CREATE FUNCTION known_charges(wanted bytea[], earlier_until bigint) RETURNS SETOF charge_records
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY SELECT * FROM charge_records k WHERE k.id = ANY (wanted);
    IF EXISTS (SELECT FROM unnest(wanted) u(id) WHERE u.id < first_id_at(earlier_until)) THEN
        RETURN QUERY SELECT * FROM charges k WHERE k.id = ANY (wanted);
    END IF;
END $$;

-- The first id that is not forgotten. Asked after an id was not found: whoever drops a piece moves
-- this first, so that what was dropped meanwhile is never taken for new.
CREATE FUNCTION first_kept_id() RETURNS bytea LANGUAGE sql VOLATILE AS
    $$ SELECT first_id_at(forgotten_before) FROM charge_memory $$;

-- `since`: the first id that is remembered by the ledger's setting; `beyond`: the first one that is too
-- far in the future.
CREATE FUNCTION void_record(
    v_id bytea, v_client bytea, since bytea, beyond bytea, earlier_until bigint
) RETURNS text LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    is_earlier boolean := false;
    known      record;
BEGIN
    IF v_id < since THEN
        RETURN 'stale';
    END IF;
    LOOP
        SELECT k.state, k.client, k.currency, k.amount, k.route INTO known
          FROM charge_records k WHERE k.id = v_id FOR UPDATE;
        EXIT WHEN FOUND;
        IF v_id < first_id_at(earlier_until) THEN
            SELECT k.state, k.client, k.currency, k.amount, k.route INTO known
              FROM charges k WHERE k.id = v_id FOR UPDATE;
            is_earlier := FOUND;
            EXIT WHEN FOUND;
        END IF;
        IF v_id >= beyond OR v_id < first_kept_id() THEN
            RETURN 'stale';
        END IF;
        INSERT INTO charge_records (id, state) VALUES (v_id, 'refused') ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN 'marked';
        END IF;
        -- The charge came in between: now it is there.
    END LOOP;
    IF known.state <> 'deducted' THEN
        RETURN 'repeated';
    END IF;
    IF v_client IS NOT NULL AND v_client <> known.client THEN
        RETURN 'conflict';
    END IF;
    PERFORM give_back(known.client, known.currency, known.amount);
    PERFORM tally(known.client, known.currency, v_id, known.route, -1, -known.amount);
    IF is_earlier THEN
        UPDATE charges SET state = 'voided' WHERE id = v_id;
    ELSE
        UPDATE charge_records SET state = 'voided' WHERE id = v_id;
    END IF;
    RETURN 'voided';
END $$;

-- Takes an amount from an account that had no row a moment ago, or says why not.
CREATE FUNCTION deduct(c bytea, cur text, a bigint, OUT outcome text, OUT balance bigint)
LANGUAGE plpgsql AS $$
DECLARE
    found_now record;
BEGIN
    LOOP
        UPDATE accounts SET available = available - a
         WHERE client = c AND currency = cur AND NOT frozen AND available >= a
         RETURNING available INTO balance;
        IF FOUND THEN
            outcome := 'charged';
            RETURN;
        END IF;
        SELECT frozen, available INTO found_now FROM accounts WHERE client = c AND currency = cur;
        IF NOT FOUND AND a > 0 THEN
            outcome := 'insufficient';
            RETURN;
        ELSIF NOT FOUND THEN
            -- An account that was never touched has nothing, which is enough for a price of nothing.
            INSERT INTO accounts (client, currency) VALUES (c, cur) ON CONFLICT DO NOTHING;
        ELSIF found_now.frozen THEN
            outcome := 'frozen';
            RETURN;
        ELSIF found_now.available < a THEN
            outcome := 'insufficient';
            RETURN;
        END IF;
        -- The account came, or was credited, in between: once more.
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION apply_batch(
    void_ids bytea[], void_clients bytea[],
    ids bytea[], clients bytea[], currencies text[], amounts bigint[], routes text[],
    memory_ms bigint, skew_ms bigint
) RETURNS TABLE (is_void boolean, outcome text, balance bigint) LANGUAGE plpgsql AS $$
DECLARE
    now       bigint := now_ms();
    since     bytea := first_id_at(greatest(now - memory_ms, 0));
    oldest    bytea := first_id_at(greatest(now - memory_ms / 2, 0));
    beyond    bytea := first_id_at(now + skew_ms + 1);
    kept      bytea;
    made      bigint;
    earlier   bigint;
    suspects  bytea[];
    asked     record;
    known     record;
    fresh     bigint[] := '{}';
    places    tid[];
    funds     bigint[];
    funds_at  bigint[];
    stopped   boolean[];
    written   bigint;
BEGIN
    SELECT m.made_until, m.earlier_until INTO made, earlier FROM charge_memory m;
    IF now + skew_ms >= made THEN
        -- Nobody has made pieces ahead for long. Before any account is locked.
        PERFORM make_charge_pieces(now + skew_ms, charge_piece_ms(memory_ms));
    END IF;
    -- Accounts are locked in one order, so that batches never wait for each other in a circle.
    IF cardinality(void_ids) > 0 THEN
        PERFORM FROM accounts a
          WHERE (a.client, a.currency) IN (
              SELECT * FROM unnest(clients, currencies)
              UNION SELECT k.client, k.currency FROM known_charges(void_ids, earlier) k)
          ORDER BY a.client, a.currency FOR UPDATE;
    END IF;
    FOR asked IN SELECT * FROM unnest(void_ids, void_clients) AS u(id, client) LOOP
        is_void := true;
        outcome := void_record(asked.id, asked.client, since, beyond, earlier);
        balance := NULL;
        RETURN NEXT;
    END LOOP;
    -- Each account is read once, as its charges' number, and written once: however many charges, and
    -- however many versions of its row a snapshot keeps.
    WITH locked AS MATERIALIZED (
        SELECT a.ctid AS place, a.client, a.currency, a.available, a.frozen FROM accounts a
         WHERE (a.client, a.currency) IN (SELECT * FROM unnest(clients, currencies))
         ORDER BY a.client, a.currency FOR UPDATE)
    SELECT array_agg(l.place ORDER BY d.client, d.currency),
           array_agg(l.available::bigint ORDER BY d.client, d.currency),
           array_agg(l.frozen ORDER BY d.client, d.currency)
      INTO places, funds, stopped
      FROM (SELECT DISTINCT u.client, u.currency FROM unnest(clients, currencies) AS u(client, currency)) d
      LEFT JOIN locked l ON l.client = d.client AND l.currency = d.currency;
    funds_at := funds;
    -- Ids that are not new, or are here twice: rare, so they are looked up one by one.
    suspects := ARRAY(
        SELECT k.id FROM known_charges(ids, earlier) k
        UNION ALL SELECT u.id FROM unnest(ids) AS u(id) GROUP BY u.id HAVING count(*) > 1);
    kept := first_kept_id();
    FOR asked IN SELECT u.*, dense_rank() OVER (ORDER BY u.client, u.currency)::int AS account
                   FROM unnest(ids, clients, currencies, amounts, routes) WITH ORDINALITY
                        AS u(id, client, currency, amount, route, turn)
                  ORDER BY u.turn
    LOOP
        is_void := false;
        outcome := NULL;
        balance := NULL;
        IF asked.id < oldest OR asked.id >= beyond THEN
            outcome := 'stale';
        ELSIF asked.id = ANY (suspects) THEN
            SELECT * INTO known FROM known_charges(ARRAY[asked.id], earlier);
            IF FOUND THEN
                outcome := CASE
                    WHEN known.state <> 'deducted' THEN 'voided'
                    WHEN (known.client, known.currency, known.amount, known.route)
                         IS DISTINCT FROM (asked.client, asked.currency, asked.amount, asked.route)
                    THEN 'conflict'
                    ELSE 'charged'
                END;
                balance := known.balance_after;
            ELSE
                kept := first_kept_id();
            END IF;
        END IF;
        IF outcome IS NULL AND asked.id < kept THEN
            outcome := 'stale';
        END IF;
        IF outcome IS NOT NULL THEN
            fresh := fresh || NULL::bigint;
            RETURN NEXT;
            CONTINUE;
        END IF;
        IF places[asked.account] IS NULL THEN
            SELECT d.outcome, d.balance INTO outcome, balance
              FROM deduct(asked.client, asked.currency, asked.amount) d;
        ELSIF stopped[asked.account] THEN
            outcome := 'frozen';
        ELSIF funds[asked.account] < asked.amount THEN
            outcome := 'insufficient';
        ELSE
            outcome := 'charged';
            balance := funds[asked.account] - asked.amount;
            funds[asked.account] := balance;
        END IF;
        IF outcome = 'charged' AND suspects <> '{}' THEN
            -- It may be looked up in this very batch.
            INSERT INTO charge_records VALUES (asked.id, 'deducted', asked.client, asked.currency,
                                               asked.amount, asked.route, balance);
            PERFORM tally(asked.client, asked.currency, asked.id, asked.route, 1, asked.amount);
            fresh := fresh || NULL::bigint;
        ELSE
            fresh := fresh || balance;
        END IF;
        RETURN NEXT;
    END LOOP;
    UPDATE accounts a SET available = t.available
      FROM unnest(places, funds, funds_at) AS t(place, available, before)
     WHERE a.ctid = t.place AND t.available <> t.before;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> (SELECT count(*) FROM unnest(funds, funds_at) AS t(available, before)
                    WHERE t.available <> t.before) THEN
        RAISE EXCEPTION 'a locked account was moved' USING ERRCODE = 'serialization_failure';
    END IF;
    IF suspects <> '{}' THEN
        RETURN;
    END IF;
    INSERT INTO charge_records
    SELECT u.id, 'deducted', u.client, u.currency, u.amount, u.route, u.left_over
      FROM unnest(ids, clients, currencies, amounts, routes, fresh)
           AS u(id, client, currency, amount, route, left_over)
     WHERE u.left_over IS NOT NULL;
    INSERT INTO tallies AS t
    SELECT u.client, u.currency, minted_ms(u.id) / 3600000, u.route, count(*), sum(u.amount)
      FROM unnest(ids, clients, currencies, amounts, routes, fresh)
           AS u(id, client, currency, amount, route, left_over)
     WHERE u.left_over IS NOT NULL
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT tallies_pkey
        DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount;
END $$;

-- An account's deductions, newest first.
CREATE FUNCTION deductions(c bytea, cur text, memory_ms bigint, most bigint)
RETURNS TABLE (id bytea, route text, amount bigint) LANGUAGE plpgsql AS $$
DECLARE
    since   bytea := greatest(first_id_at(greatest(now_ms() - memory_ms, 0)), first_kept_id());
    earlier bigint := (SELECT earlier_until FROM charge_memory);
BEGIN
    IF earlier IS NULL THEN
        RETURN QUERY SELECT k.id, k.route, k.amount::bigint FROM charge_records k
            WHERE k.state = 'deducted' AND k.client = c AND k.currency = cur AND k.id >= since
            ORDER BY k.id DESC LIMIT most;
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM (
        SELECT k.id, k.route, k.amount::bigint FROM charge_records k
         WHERE k.state = 'deducted' AND k.client = c AND k.currency = cur AND k.id >= since
        UNION ALL
        SELECT k.id, k.route, k.amount::bigint FROM charges k
         WHERE k.state = 'deducted' AND k.client = c AND k.currency = cur AND k.id >= since
        ) both_tables ORDER BY 1 DESC LIMIT most;
END $$;

-- Old counts are deleted by the ledgers' upkeep, not by who asks.
CREATE OR REPLACE FUNCTION within_limit(n text, most bigint, piece_ms bigint, wanted boolean)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_at  bigint := now_ms();
    current bigint := now_at - now_at % piece_ms;
    since   bigint := current - 10 * piece_ms;
    seen    bigint;
    oldest  bigint;
BEGIN
    -- One at a time for each name: a look and a count belong together.
    PERFORM pg_advisory_xact_lock(hashtextextended(n, 402));
    SELECT coalesce(sum(count), 0), min(piece) INTO seen, oldest
      FROM counts WHERE name = n AND piece BETWEEN since AND current;
    IF seen >= most THEN
        RETURN greatest(coalesce(oldest, now_at) + 11 * piece_ms - now_at, 1);
    END IF;
    IF wanted THEN
        INSERT INTO counts VALUES (current, n, 1)
            ON CONFLICT (piece, name) DO UPDATE SET count = counts.count + 1;
    END IF;
    RETURN 0;
END $$;

-- From here on `charges` takes no new row: a batch under way that was begun with the function as it
-- was is given up as a whole, and its ledger tries it again with the new one. `take_charge` and
-- `void_charge` stay for such batches. The lock waits for batches, not for backups, and gives up
-- before many batches wait behind it.
CREATE FUNCTION refuse_earlier() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'charges are kept in charge_records' USING ERRCODE = 'serialization_failure';
END $$;
DO $$
DECLARE
    attempts int := 0;
BEGIN
    LOOP
        BEGIN
            -- Later attempts wait for longer than `deadlock_timeout`: that ends an autovacuum.
            PERFORM set_config('lock_timeout', CASE WHEN attempts < 100 THEN '100ms' ELSE '3s' END, true);
            LOCK TABLE charges IN SHARE ROW EXCLUSIVE MODE;
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
CREATE TRIGGER charges_are_kept_elsewhere BEFORE INSERT ON charges
    FOR EACH ROW EXECUTE FUNCTION refuse_earlier();
-- What was deleted from `charges` before is forgotten; nothing younger than the least memory that
-- the ledger takes, two hours, ever was.
UPDATE charge_memory SET
    earlier_until = coalesce((SELECT minted_ms(id) + 1 FROM charges ORDER BY id DESC LIMIT 1), 0),
    forgotten_before = coalesce(
        (SELECT least(minted_ms(id), now_ms() - 7200000) FROM charges ORDER BY id LIMIT 1), 0);

-- What is remembered of the ids of deductions, in pieces of time that are dropped whole: rows that were
-- deleted one by one would stay for as long as a snapshot (a backup) is open, and each batch would pay
-- for them.

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
-- a ledger's setting says. Pieces exist up to `made_until`.
CREATE TABLE charge_memory (
    single           boolean PRIMARY KEY DEFAULT true CHECK (single),
    forgotten_before bigint NOT NULL,
    made_until       bigint NOT NULL
);

INSERT INTO charge_memory VALUES (true, 0, 0);

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
CREATE FUNCTION known_charges(wanted bytea[]) RETURNS SETOF charge_records
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    RETURN QUERY SELECT * FROM charge_records k WHERE k.id = ANY (wanted);
END $$;

-- The first id that is not forgotten. Asked after an id was not found: whoever drops a piece moves
-- this first, so that what was dropped meanwhile is never taken for new.
CREATE FUNCTION first_kept_id() RETURNS bytea LANGUAGE sql VOLATILE AS
    $$ SELECT first_id_at(forgotten_before) FROM charge_memory $$;

-- `since`: the first id that is remembered by the ledger's setting; `beyond`: the first one that is too
-- far in the future.
CREATE FUNCTION void_record(
    v_id bytea, v_client bytea, since bytea, beyond bytea
) RETURNS text LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    known record;
BEGIN
    IF v_id < since THEN
        RETURN 'stale';
    END IF;
    LOOP
        SELECT k.state, k.client, k.currency, k.amount, k.route INTO known
          FROM charge_records k WHERE k.id = v_id FOR UPDATE;
        EXIT WHEN FOUND;
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
    UPDATE charge_records SET state = 'voided' WHERE id = v_id;
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

-- A batch of voids and deductions in one round trip. The rules are those of
-- ledger-service/src/accounting/deduction.rs; the store's tests hold the two against each other.
CREATE FUNCTION apply_batch(
    void_ids bytea[], void_clients bytea[],
    ids bytea[], clients bytea[], currencies text[], amounts bigint[], routes text[],
    memory_ms bigint, skew_ms bigint
) RETURNS TABLE (outcome text, balance bigint) LANGUAGE plpgsql AS $$
DECLARE
    now       bigint := now_ms();
    since     bytea := first_id_at(greatest(now - memory_ms, 0));
    oldest    bytea := first_id_at(greatest(now - memory_ms / 2, 0));
    beyond    bytea := first_id_at(now + skew_ms + 1);
    kept      bytea;
    made      bigint;
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
    SELECT m.made_until INTO made FROM charge_memory m;
    IF now + skew_ms >= made THEN
        -- Nobody has made pieces ahead for long. Before any account is locked.
        PERFORM make_charge_pieces(now + skew_ms, charge_piece_ms(memory_ms));
    END IF;
    -- Accounts are locked in one order, so that batches never wait for each other in a circle.
    IF cardinality(void_ids) > 0 THEN
        PERFORM FROM accounts a
          WHERE (a.client, a.currency) IN (
              SELECT * FROM unnest(clients, currencies)
              UNION SELECT k.client, k.currency FROM known_charges(void_ids) k)
          ORDER BY a.client, a.currency FOR UPDATE;
    END IF;
    FOR asked IN SELECT * FROM unnest(void_ids, void_clients) AS u(id, client) LOOP
        outcome := void_record(asked.id, asked.client, since, beyond);
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
        SELECT k.id FROM known_charges(ids) k
        UNION ALL SELECT u.id FROM unnest(ids) AS u(id) GROUP BY u.id HAVING count(*) > 1);
    kept := first_kept_id();
    FOR asked IN SELECT u.*, dense_rank() OVER (ORDER BY u.client, u.currency)::int AS account
                   FROM unnest(ids, clients, currencies, amounts, routes) WITH ORDINALITY
                        AS u(id, client, currency, amount, route, turn)
                  ORDER BY u.turn
    LOOP
        outcome := NULL;
        balance := NULL;
        IF asked.id < oldest OR asked.id >= beyond THEN
            outcome := 'stale';
        ELSIF asked.id = ANY (suspects) THEN
            SELECT * INTO known FROM known_charges(ARRAY[asked.id]);
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
    since bytea := greatest(first_id_at(greatest(now_ms() - memory_ms, 0)), first_kept_id());
BEGIN
    RETURN QUERY SELECT k.id, k.route, k.amount::bigint FROM charge_records k
        WHERE k.state = 'deducted' AND k.client = c AND k.currency = cur AND k.id >= since
        ORDER BY k.id DESC LIMIT most;
END $$;

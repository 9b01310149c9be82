-- A batch of voids and charges in one round trip. The rules are those of
-- ledger-service/src/ledger/charge.rs; the store's tests hold the two against each other.

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql AS
    $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE FUNCTION minted_ms(id bytea) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('x' || encode(substring(id FROM 1 FOR 6), 'hex'))::bit(48)::bigint $$;

CREATE FUNCTION first_id_at(ms bigint) RETURNS bytea LANGUAGE sql IMMUTABLE AS
    $$ SELECT substring(int8send(ms) FROM 3) || decode(repeat('00', 10), 'hex') $$;

CREATE FUNCTION tally(c bytea, cur text, id bytea, r text, n bigint, a bigint) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO tallies VALUES (c, cur, minted_ms(id) / 3600000, r, n, a)
    ON CONFLICT (client, currency, hour, route)
        DO UPDATE SET count = tallies.count + n, amount = tallies.amount + a
$$;

-- Credits an account; debt is settled first. An account at the largest amount keeps what it has.
CREATE FUNCTION give_back(c bytea, cur text, a bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE accounts
       SET debt = debt - least(debt, a),
           available = available + (a - least(debt, a))
     WHERE client = c AND currency = cur
       AND available + (a - least(debt, a)) <= 9007199254740991
$$;

CREATE FUNCTION void_charge(v_id bytea, v_client bytea, forgotten_before bigint, newest bigint)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    known charges%ROWTYPE;
BEGIN
    SELECT * INTO known FROM charges WHERE id = v_id FOR UPDATE;
    IF NOT FOUND THEN
        IF minted_ms(v_id) NOT BETWEEN forgotten_before AND newest THEN
            RETURN 'stale';
        END IF;
        INSERT INTO charges (id, state) VALUES (v_id, 'refused') ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN 'marked';
        END IF;
        -- The charge came in between.
        SELECT * INTO known FROM charges WHERE id = v_id FOR UPDATE;
    END IF;
    IF known.state <> 'deducted' THEN
        RETURN 'repeated';
    END IF;
    IF v_client IS NOT NULL AND v_client <> known.client THEN
        RETURN 'conflict';
    END IF;
    PERFORM give_back(known.client, known.currency, known.amount);
    PERFORM tally(known.client, known.currency, v_id, known.route, -1, -known.amount);
    UPDATE charges SET state = 'voided' WHERE id = v_id;
    RETURN 'voided';
END $$;

CREATE FUNCTION take_charge(
    c_id bytea, c bytea, cur text, a bigint, r text, oldest bigint, newest bigint,
    OUT outcome text, OUT balance bigint
) LANGUAGE plpgsql AS $$
DECLARE
    known charges%ROWTYPE;
BEGIN
    IF minted_ms(c_id) NOT BETWEEN oldest AND newest THEN
        outcome := 'stale';
        RETURN;
    END IF;
    SELECT * INTO known FROM charges WHERE id = c_id;
    IF FOUND THEN
        outcome := CASE
            WHEN known.state <> 'deducted' THEN 'voided'
            WHEN (known.client, known.currency, known.amount, known.route)
                 IS DISTINCT FROM (c, cur, a, r) THEN 'conflict'
            ELSE 'charged'
        END;
        balance := known.balance_after;
        RETURN;
    END IF;
    UPDATE accounts SET available = available - a
     WHERE client = c AND currency = cur AND NOT frozen AND available >= a
     RETURNING available INTO balance;
    IF NOT FOUND THEN
        -- An account that was never touched has nothing, which is enough for a price of nothing.
        IF a = 0 AND NOT EXISTS (SELECT FROM accounts WHERE client = c AND currency = cur) THEN
            INSERT INTO accounts (client, currency) VALUES (c, cur);
            balance := 0;
        ELSE
            SELECT CASE WHEN frozen THEN 'frozen' ELSE 'insufficient' END INTO outcome
              FROM accounts WHERE client = c AND currency = cur;
            outcome := coalesce(outcome, 'insufficient');
            RETURN;
        END IF;
    END IF;
    INSERT INTO charges VALUES (c_id, 'deducted', c, cur, a, r, balance);
    PERFORM tally(c, cur, c_id, r, 1, a);
    outcome := 'charged';
END $$;

CREATE FUNCTION apply_batch(
    void_ids bytea[], void_clients bytea[],
    ids bytea[], clients bytea[], currencies text[], amounts bigint[], routes text[],
    memory_ms bigint, skew_ms bigint
) RETURNS TABLE (is_void boolean, outcome text, balance bigint) LANGUAGE plpgsql AS $$
DECLARE
    now bigint := now_ms();
    n int;
BEGIN
    -- Forget some of the oldest; their sums stay.
    DELETE FROM charges WHERE id IN (
        SELECT id FROM charges WHERE id < first_id_at(now - memory_ms)
         ORDER BY id LIMIT 64 FOR UPDATE SKIP LOCKED);
    -- Accounts are locked in one order, so that batches never wait for each other in a circle.
    PERFORM FROM accounts a
      WHERE (a.client, a.currency) IN (
          SELECT * FROM unnest(clients, currencies)
          UNION SELECT k.client, k.currency FROM charges k WHERE k.id = ANY (void_ids))
      ORDER BY a.client, a.currency FOR UPDATE;
    FOR n IN 1 .. coalesce(cardinality(void_ids), 0) LOOP
        is_void := true;
        outcome := void_charge(void_ids[n], void_clients[n], now - memory_ms, now + skew_ms);
        balance := NULL;
        RETURN NEXT;
    END LOOP;
    FOR n IN 1 .. coalesce(cardinality(ids), 0) LOOP
        is_void := false;
        SELECT t.outcome, t.balance INTO outcome, balance
          FROM take_charge(ids[n], clients[n], currencies[n], amounts[n], routes[n],
                           now - memory_ms / 2, now + skew_ms) t;
        RETURN NEXT;
    END LOOP;
END $$;

-- Voids and deductions, one by one and in batches.

-- `since`: the first id that is remembered by the ledger's setting; `beyond`: the first one that is too
-- far in the future.
CREATE FUNCTION void_record(
    v_id bytea, v_client bytea, since bytea, beyond bytea
) RETURNS text LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    known record;
    h     open_holds;
BEGIN
    SELECT * INTO h FROM open_holds o WHERE o.id = v_id FOR UPDATE;
    IF FOUND THEN
        IF v_client IS NOT NULL AND v_client <> h.client THEN
            RETURN 'conflict';
        END IF;
        IF settle_hold(h, 0) IS NULL THEN
            RETURN 'conflict';
        END IF;
        UPDATE charge_records SET state = 'voided' WHERE id = v_id AND v_id >= since;
        RETURN 'voided';
    END IF;
    IF v_id < since THEN
        RETURN 'stale';
    END IF;
    LOOP
        SELECT k.state, k.client, k.currency, coalesce(k.captured, k.amount) AS amount, k.route, k.count
          INTO known FROM charge_records k WHERE k.id = v_id FOR UPDATE;
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
    IF known.state IN ('voided', 'refused') THEN
        RETURN 'repeated';
    END IF;
    IF v_client IS NOT NULL AND v_client <> known.client THEN
        RETURN 'conflict';
    END IF;
    IF known.state = 'held' THEN
        -- It came in between, or its books are damaged.
        RETURN CASE WHEN EXISTS (SELECT FROM open_holds o WHERE o.id = v_id)
                    THEN void_record(v_id, v_client, since, beyond) ELSE 'conflict' END;
    END IF;
    IF known.state = 'capture_first' THEN
        UPDATE charge_records SET state = 'refused' WHERE id = v_id;
        RETURN 'marked';
    END IF;
    PERFORM give_back(known.client, known.currency, known.amount);
    -- From before the client's grants: it was paid for.
    UPDATE grants g SET record = jsonb_set(g.record, '{early}',
                                           to_jsonb((g.record->>'early')::bigint + known.amount))
     WHERE g.client = known.client AND g.currency = known.currency
       AND minted_ms(v_id) < (g.record->>'born_ms')::bigint;
    PERFORM tally(known.client, known.currency, v_id, known.route, -known.count, -known.amount);
    UPDATE charge_records SET state = 'voided' WHERE id = v_id;
    RETURN 'voided';
END $$;

-- Whether this one of a client's ids spends no more: see `Rotation::is_over`. NULL is a card, or a key with limits.
CREATE FUNCTION is_over(spender bigint, generation bigint, oldest bigint, until_ms bigint, now bigint)
RETURNS boolean LANGUAGE sql IMMUTABLE AS
    $$ SELECT coalesce(spender < oldest OR spender < generation AND until_ms <= now, false) $$;

-- Takes an amount from an account that had no row a moment ago, or says why not.
CREATE FUNCTION deduct(
    c bytea, cur text, a bigint, spender bigint, now bigint, OUT outcome text, OUT balance bigint
) LANGUAGE plpgsql AS $$
DECLARE
    found_now record;
BEGIN
    LOOP
        UPDATE accounts SET available = available - a
         WHERE client = c AND currency = cur AND NOT frozen AND available >= a
           AND NOT is_over(spender, generation, oldest, until_ms, now)
         RETURNING available INTO balance;
        IF FOUND THEN
            outcome := 'charged';
            RETURN;
        END IF;
        SELECT frozen, available, debt, leased, leases, is_over(spender, generation, oldest, until_ms, now) AS over
          INTO found_now FROM accounts WHERE client = c AND currency = cur;
        IF NOT FOUND AND a > 0 THEN
            outcome := 'insufficient';
            RETURN;
        ELSIF NOT FOUND THEN
            -- An account that was never touched has nothing, which is enough for a price of nothing.
            INSERT INTO accounts (client, currency) VALUES (c, cur) ON CONFLICT DO NOTHING;
        ELSIF found_now.over THEN
            outcome := 'rotated';
            RETURN;
        ELSIF found_now.frozen THEN
            outcome := 'frozen';
            RETURN;
        ELSIF found_now.available < a AND found_now.leases > 0
              AND found_now.available + greatest(found_now.leased - found_now.debt, 0) >= a THEN
            UPDATE accounts SET recalled = true WHERE client = c AND currency = cur AND leases > 0;
            outcome := 'leased';
            RETURN;
        ELSIF found_now.available < a THEN
            outcome := CASE WHEN found_now.debt > 0 THEN 'in_debt' ELSE 'insufficient' END;
            balance := found_now.debt;
            RETURN;
        END IF;
        -- The account came, or was credited, in between: once more.
    END LOOP;
END $$;

-- Writes a deduction down that was taken, or a hold, or, with `captured`, a hold whose capture came first.
CREATE FUNCTION write_deduction(
    d_id bytea, c bytea, cur text, a bigint, r text, balance bigint, ends bigint, end_takes bigint,
    share smallint, taken bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    requests bigint;
BEGIN
    IF taken IS NOT NULL THEN
        UPDATE charge_records
           SET state = 'captured', client = c, currency = cur, amount = a, route = r,
               balance_after = balance, captured = taken, balance_captured = balance
         WHERE id = d_id AND state = 'capture_first' RETURNING count INTO requests;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a void came in between' USING ERRCODE = 'serialization_failure';
        END IF;
        PERFORM tally(c, cur, d_id, r, requests, taken);
        RETURN;
    END IF;
    INSERT INTO charge_records (id, state, client, currency, amount, route, balance_after)
    VALUES (d_id, CASE WHEN ends IS NULL THEN 'deducted' ELSE 'held' END, c, cur, a, r, balance);
    IF ends IS NULL THEN
        PERFORM tally(c, cur, d_id, r, 1, a);
    ELSE
        INSERT INTO open_holds VALUES (d_id, c, cur, a, r, ends, end_takes, balance, share);
    END IF;
END $$;

-- A batch of voids, captures and deductions in one round trip. A deduction with an end is a hold. The rules are those of
-- ledger-service/src/accounting/deduction.rs; the store's tests hold the two against each other.
CREATE FUNCTION apply_batch(
    void_ids bytea[], void_clients bytea[],
    capture_ids bytea[], capture_clients bytea[], capture_amounts bigint[], capture_counts bigint[],
    ids bytea[], clients bytea[], currencies text[], amounts bigint[], routes text[],
    hold_ends bigint[], at_ends bigint[], shares smallint[], memory_ms bigint, skew_ms bigint, spender bigint
) RETURNS TABLE (outcome text, balance bigint, captured bigint) LANGUAGE plpgsql AS $$
DECLARE
    now       bigint := now_ms();
    since     bytea := first_id_at(greatest(now - memory_ms, 0));
    oldest    bytea := first_id_at(greatest(now - memory_ms / 2, 0));
    beyond    bytea := first_id_at(now + skew_ms + 1);
    kept      bytea;
    made      bigint;
    suspects  bytea[];
    asked     record;
    known     charge_records;
    fresh     bigint[] := '{}';
    places    tid[];
    funds     bigint[];
    funds_at  bigint[];
    held      bigint[];
    debts     bigint[];
    stopped   boolean[];
    over      boolean[];
    lent      bigint[];
    out       smallint[];
    recalls   boolean[];
    recalls_at boolean[];
    wanted    bigint;
    written   bigint;
BEGIN
    SELECT m.made_until INTO made FROM charge_memory m;
    IF now + skew_ms >= made THEN
        -- Nobody has made pieces ahead for long. Before any account is locked.
        PERFORM make_charge_pieces(now + skew_ms, charge_piece_ms(memory_ms));
    END IF;
    -- Accounts are locked in one order, so that batches never wait for each other in a circle.
    IF cardinality(void_ids) > 0 OR cardinality(capture_ids) > 0 THEN
        PERFORM FROM accounts a
          WHERE (a.client, a.currency) IN (
              SELECT * FROM unnest(clients, currencies)
              UNION SELECT k.client, k.currency FROM known_charges(void_ids) k
              UNION SELECT o.client, o.currency FROM open_holds o
                     WHERE o.id = ANY (void_ids || capture_ids))
          ORDER BY a.client, a.currency FOR UPDATE;
    END IF;
    FOR asked IN SELECT * FROM unnest(void_ids, void_clients) AS u(id, client) LOOP
        outcome := void_record(asked.id, asked.client, since, beyond);
        balance := NULL;
        RETURN NEXT;
    END LOOP;
    FOR asked IN SELECT * FROM unnest(capture_ids, capture_clients, capture_amounts, capture_counts)
                           AS u(id, client, amount, requests)
    LOOP
        SELECT k.outcome, k.captured, k.balance INTO outcome, captured, balance
          FROM capture_record(asked.id, asked.client, asked.amount, asked.requests, since, beyond) k;
        RETURN NEXT;
    END LOOP;
    captured := NULL;
    -- Each account is read once, as its charges' number, and written once: however many charges, and
    -- however many versions of its row a snapshot keeps.
    WITH locked AS MATERIALIZED (
        SELECT a.ctid AS place, a.client, a.currency, a.available, a.debt, a.frozen,
               a.leased, a.leases, a.recalled,
               is_over(spender, a.generation, a.oldest, a.until_ms, now) AS over
          FROM accounts a
         WHERE (a.client, a.currency) IN (SELECT * FROM unnest(clients, currencies))
         ORDER BY a.client, a.currency FOR UPDATE)
    SELECT array_agg(l.place ORDER BY d.client, d.currency),
           array_agg(l.available::bigint ORDER BY d.client, d.currency),
           array_agg(l.debt::bigint ORDER BY d.client, d.currency),
           array_agg(l.frozen ORDER BY d.client, d.currency),
           array_agg(0::bigint),
           array_agg(l.leased::bigint ORDER BY d.client, d.currency),
           array_agg(l.leases ORDER BY d.client, d.currency),
           array_agg(l.recalled ORDER BY d.client, d.currency),
           -- An account that is not there yet is as its client's others.
           array_agg(coalesce(l.over, EXISTS (
               SELECT FROM accounts o
                WHERE o.client = d.client AND is_over(spender, o.generation, o.oldest, o.until_ms, now)))
               ORDER BY d.client, d.currency)
      INTO places, funds, debts, stopped, held, lent, out, recalls, over
      FROM (SELECT DISTINCT u.client, u.currency FROM unnest(clients, currencies) AS u(client, currency)) d
      LEFT JOIN locked l ON l.client = d.client AND l.currency = d.currency;
    funds_at := funds;
    recalls_at := recalls;
    -- Ids that are not new, or are here twice: rare, so they are looked up one by one.
    suspects := ARRAY(
        SELECT k.id FROM known_charges(ids) k
        UNION ALL SELECT u.id FROM unnest(ids) AS u(id) GROUP BY u.id HAVING count(*) > 1);
    kept := first_kept_id();
    FOR asked IN SELECT u.*, dense_rank() OVER (ORDER BY u.client, u.currency)::int AS account
                   FROM unnest(ids, clients, currencies, amounts, routes, hold_ends, at_ends, shares)
                        WITH ORDINALITY
                        AS u(id, client, currency, amount, route, ends_ms, at_end, share, turn)
                  ORDER BY u.turn
    LOOP
        outcome := NULL;
        balance := NULL;
        wanted := asked.amount;
        known := NULL;
        IF asked.id < oldest OR asked.id >= beyond THEN
            outcome := 'stale';
        ELSIF asked.id = ANY (suspects) THEN
            SELECT * INTO known FROM known_charges(ARRAY[asked.id]);
            IF FOUND THEN
                outcome := CASE
                    WHEN known.state IN ('voided', 'refused') THEN 'voided'
                    WHEN known.state = 'capture_first' AND known.client = asked.client
                         AND asked.ends_ms IS NOT NULL THEN NULL
                    WHEN (known.client, known.currency, known.amount, known.route,
                          known.state <> 'deducted')
                         IS DISTINCT FROM (asked.client, asked.currency, asked.amount, asked.route,
                                           asked.ends_ms IS NOT NULL)
                    THEN 'conflict'
                    ELSE 'charged'
                END;
                balance := known.balance_after;
                IF outcome IS NULL THEN
                    -- Its capture came first: only that is taken.
                    wanted := least(known.amount, asked.amount);
                END IF;
            ELSE
                kept := first_kept_id();
            END IF;
        END IF;
        IF outcome IS NULL AND known.state IS NULL
            AND (asked.id < kept OR asked.ends_ms <= now) THEN
            outcome := 'stale';
        END IF;
        IF outcome IS NOT NULL THEN
            fresh := fresh || NULL::bigint;
            RETURN NEXT;
            CONTINUE;
        END IF;
        IF over[asked.account] AND known.state IS NULL THEN
            outcome := 'rotated';
        ELSIF places[asked.account] IS NULL AND asked.share IS NOT NULL AND known.state IS NULL THEN
            -- Nothing was there a moment ago.
            outcome := 'lease_refused';
        ELSIF places[asked.account] IS NULL THEN
            SELECT d.outcome, d.balance INTO outcome, balance
              FROM deduct(asked.client, asked.currency, wanted,
                          -- What was served is paid for, whosever id it was.
                          CASE WHEN known.state IS NULL THEN spender END, now) d;
        ELSIF stopped[asked.account] AND known.state IS NULL THEN
            outcome := 'frozen';
        ELSIF asked.share IS NOT NULL AND known.state IS NULL
              AND (wanted = 0 OR recalls[asked.account] OR out[asked.account] >= 8
                   OR wanted * 100 > funds[asked.account] * least(asked.share, 100)) THEN
            outcome := 'lease_refused';
        ELSIF funds[asked.account] < wanted AND out[asked.account] > 0
              AND funds[asked.account] + greatest(lent[asked.account] - debts[asked.account], 0) >= wanted THEN
            outcome := 'leased';
            recalls[asked.account] := true;
        ELSIF funds[asked.account] < wanted THEN
            outcome := CASE WHEN debts[asked.account] > 0 THEN 'in_debt' ELSE 'insufficient' END;
            balance := debts[asked.account];
        ELSE
            outcome := 'charged';
            balance := funds[asked.account] - wanted;
            funds[asked.account] := balance;
            IF asked.share IS NOT NULL AND known.state IS NULL THEN
                lent[asked.account] := lent[asked.account] + wanted;
                out[asked.account] := out[asked.account] + 1;
            END IF;
        END IF;
        IF outcome = 'charged' AND asked.ends_ms IS NOT NULL AND known.state IS NULL THEN
            IF places[asked.account] IS NULL THEN
                UPDATE accounts SET pending = pending + wanted
                 WHERE client = asked.client AND currency = asked.currency;
            ELSE
                held[asked.account] := held[asked.account] + wanted;
            END IF;
        END IF;
        IF outcome <> 'charged' OR suspects = '{}' THEN
            fresh := fresh || CASE WHEN outcome = 'charged' THEN balance END;
        ELSE
            -- It may be looked up in this very batch.
            PERFORM write_deduction(asked.id, asked.client, asked.currency, asked.amount, asked.route,
                                    balance, asked.ends_ms, asked.at_end, asked.share,
                                    CASE WHEN known.state IS NOT NULL THEN wanted END);
            fresh := fresh || NULL::bigint;
        END IF;
        RETURN NEXT;
    END LOOP;
    UPDATE accounts a SET available = t.available, pending = a.pending + t.held,
                          leased = t.lent, leases = t.leases, recalled = t.recalled
      FROM unnest(places, funds, funds_at, held, lent, out, recalls, recalls_at)
           AS t(place, available, before, held, lent, leases, recalled, was_recalled)
     WHERE a.ctid = t.place AND (t.available, t.recalled) <> (t.before, t.was_recalled);
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> (SELECT count(*) FROM unnest(funds, funds_at, recalls, recalls_at)
                                     AS t(available, before, recalled, was_recalled)
                    WHERE (t.available, t.recalled) <> (t.before, t.was_recalled)) THEN
        RAISE EXCEPTION 'a locked account was moved' USING ERRCODE = 'serialization_failure';
    END IF;
    IF suspects <> '{}' THEN
        RETURN;
    END IF;
    INSERT INTO charge_records (id, state, client, currency, amount, route, balance_after)
    SELECT u.id, CASE WHEN u.ends_ms IS NULL THEN 'deducted' ELSE 'held' END, u.client, u.currency, u.amount, u.route, u.left_over
      FROM unnest(ids, clients, currencies, amounts, routes, fresh, hold_ends)
           AS u(id, client, currency, amount, route, left_over, ends_ms)
     WHERE u.left_over IS NOT NULL;
    IF array_remove(hold_ends, NULL) <> '{}' THEN
        INSERT INTO open_holds
        SELECT u.id, u.client, u.currency, u.amount, u.route, u.ends_ms, u.at_end, u.left_over, u.share
          FROM unnest(ids, clients, currencies, amounts, routes, fresh, hold_ends, at_ends, shares)
               AS u(id, client, currency, amount, route, left_over, ends_ms, at_end, share)
         WHERE u.left_over IS NOT NULL AND u.ends_ms IS NOT NULL;
    END IF;
    INSERT INTO tallies AS t
    SELECT u.client, u.currency, minted_ms(u.id) / 3600000, u.route, count(*), sum(u.amount)
      FROM unnest(ids, clients, currencies, amounts, routes, fresh, hold_ends)
           AS u(id, client, currency, amount, route, left_over, ends_ms)
     WHERE u.left_over IS NOT NULL AND u.ends_ms IS NULL
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
    RETURN QUERY SELECT k.id, k.route, coalesce(k.captured, k.amount)::bigint FROM charge_records k
        WHERE k.state IN ('deducted', 'captured') AND k.client = c AND k.currency = cur AND k.id >= since
        ORDER BY k.id DESC LIMIT most;
END $$;

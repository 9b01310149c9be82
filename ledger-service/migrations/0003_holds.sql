-- Settling holds: the rules are those of ledger-service/src/accounting/hold.rs.

-- Takes so much of a hold, and credits the rest: debt is settled first, and an account at the largest
-- amount keeps what it has. NULL if less is pending than is held. The account is locked.
CREATE FUNCTION settle_hold(h open_holds, captured bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    balance bigint;
BEGIN
    UPDATE accounts SET pending = pending - h.amount,
                        leased = leased - CASE WHEN h.lease IS NULL THEN 0 ELSE h.amount END,
                        leases = leases - CASE WHEN h.lease IS NULL THEN 0 ELSE 1 END,
                        recalled = recalled AND (h.lease IS NULL OR leases > 1)
     WHERE client = h.client AND currency = h.currency AND pending >= h.amount
       AND (h.lease IS NULL OR leased >= h.amount AND leases > 0)
     RETURNING available INTO balance;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM give_back(h.client, h.currency, h.amount - captured);
    DELETE FROM open_holds WHERE id = h.id;
    SELECT available INTO balance FROM accounts WHERE client = h.client AND currency = h.currency;
    RETURN balance;
END $$;

-- Captures so much of a hold, for so many requests. Its id is written down unless that is forgotten by now.
CREATE FUNCTION capture_hold(
    h open_holds, asked bigint, requests bigint, since bytea, OUT captured bigint, OUT balance bigint)
LANGUAGE plpgsql AS $$
BEGIN
    captured := least(asked, h.amount);
    balance := settle_hold(h, captured);
    IF balance IS NULL THEN
        RETURN;
    END IF;
    IF requests > 0 OR captured > 0 THEN
        PERFORM tally(h.client, h.currency, h.id, h.route, requests, captured);
    END IF;
    IF h.id >= greatest(since, first_kept_id()) THEN
        INSERT INTO charge_records (id, state, client, currency, amount, route, balance_after, captured,
                                    balance_captured, count)
        VALUES (h.id, 'captured', h.client, h.currency, h.amount, h.route, h.balance_after,
                capture_hold.captured, balance, requests)
        ON CONFLICT (id) DO UPDATE SET state = 'captured', captured = excluded.captured,
                                       balance_captured = excluded.balance_captured,
                                       count = excluded.count;
    END IF;
END $$;

CREATE FUNCTION capture_record(
    c_id bytea, c_client bytea, asked bigint, requests bigint, since bytea, beyond bytea,
    OUT outcome text, OUT captured bigint, OUT balance bigint
) LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    h     open_holds;
    known record;
BEGIN
    LOOP
        SELECT * INTO h FROM open_holds o WHERE o.id = c_id FOR UPDATE;
        IF FOUND THEN
            IF h.client <> c_client THEN
                outcome := 'conflict';
                RETURN;
            END IF;
            SELECT k.captured, k.balance INTO captured, balance FROM capture_hold(h, asked, requests, since) k;
            outcome := CASE WHEN balance IS NULL THEN 'conflict' ELSE 'captured' END;
            RETURN;
        END IF;
        SELECT k.state, k.client, k.captured, k.balance_captured INTO known
          FROM charge_records k WHERE k.id = c_id AND c_id >= since;
        IF FOUND THEN
            outcome := CASE
                WHEN known.state IN ('voided', 'refused') THEN 'voided'
                WHEN known.client <> c_client THEN 'conflict'
                WHEN known.state = 'captured' THEN 'captured'
                WHEN known.state = 'capture_first' THEN 'marked'
                ELSE 'conflict'
            END;
            captured := known.captured;
            balance := known.balance_captured;
            -- The hold came in between: once more.
            EXIT WHEN known.state <> 'held' OR NOT EXISTS (SELECT FROM open_holds o WHERE o.id = c_id);
            CONTINUE;
        END IF;
        IF c_id < since OR c_id >= beyond OR c_id < first_kept_id() THEN
            outcome := 'stale';
            RETURN;
        END IF;
        INSERT INTO charge_records (id, state, client, amount, count)
            VALUES (c_id, 'capture_first', c_client, asked, requests) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            outcome := 'marked';
            RETURN;
        END IF;
        -- Something came in between: now it is there.
    END LOOP;
END $$;

-- Settles holds that have ended, the earliest first.
CREATE FUNCTION settle_ended_holds(most bigint, memory_ms bigint) RETURNS SETOF open_holds
LANGUAGE plpgsql AS $$
DECLARE
    now_at  bigint := now_ms();
    since   bytea := first_id_at(greatest(now_at - memory_ms, 0));
    ended   bytea[];
    one     bytea;
    h       open_holds;
    balance bigint;
BEGIN
    ended := ARRAY(SELECT o.id FROM open_holds o WHERE o.ends_ms <= now_at ORDER BY o.ends_ms, o.id LIMIT most);
    -- In the order of batches, so that nobody waits in a circle.
    PERFORM FROM accounts a
      WHERE (a.client, a.currency) IN (SELECT o.client, o.currency FROM open_holds o WHERE o.id = ANY (ended))
      ORDER BY a.client, a.currency FOR UPDATE;
    FOREACH one IN ARRAY ended LOOP
        SELECT * INTO h FROM open_holds o WHERE o.id = one FOR UPDATE;
        -- Else it was captured meanwhile.
        IF FOUND THEN
            -- What a lease has paid for is not known: it is given to the client.
            SELECT k.balance INTO balance
              FROM capture_hold(h, h.at_end, CASE WHEN h.lease IS NULL THEN 1 ELSE 0 END, since) k;
            IF balance IS NOT NULL THEN
                RETURN NEXT h;
            END IF;
        END IF;
    END LOOP;
END $$;

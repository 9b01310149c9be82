-- The plain way of a batch: deductions with ids that are new, by clients whose own ids were never rotated. Each account pays for all of its own or for
-- nothing. Two statements, however many accounts.
-- `owners`, `currencies`, `totals`: the accounts in the order of all locks, and what each pays.
-- `places`: of which account a deduction is, by its place there; `rests`: what its account pays after it.
-- `hours`, `tally_routes`, `counts`, `sums`: what comes to the tallies of the accounts at `tally_places`.
-- `first_ms`, `last_ms`: when the oldest and the newest id were minted.
-- Answers what is left in each account, NULL for one that has paid nothing, and no array if nobody has: then
-- `apply_batch` says what becomes of these deductions. The settings keep to the order of the accounts: an
-- update locks rows as its plan reads them, and these plans read them by key.
CREATE FUNCTION deduct_plain(
    owners bytea[], currencies text[], totals bigint[],
    places int[], ids bytea[], amounts bigint[], routes text[], rests bigint[],
    tally_places int[], hours bigint[], tally_routes text[], counts bigint[], sums bigint[],
    first_ms bigint, last_ms bigint, memory_ms bigint, skew_ms bigint
) RETURNS bigint[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off AS $$
DECLARE
    now    bigint := now_ms();
    kept   bigint;
    made   bigint;
    payers bigint[];
    paid   bigint[];
BEGIN
    SELECT forgotten_before, made_until INTO kept, made FROM charge_memory WHERE single;
    IF first_ms < greatest(now - memory_ms / 2, kept) OR last_ms > now + skew_ms OR now + skew_ms >= made THEN
        RETURN NULL;
    END IF;
    WITH payer AS (
        UPDATE accounts a SET available = a.available - t.total
          FROM unnest(owners, currencies, totals) WITH ORDINALITY AS t(owner, currency, total, place)
         WHERE a.client = t.owner AND a.currency = t.currency AND NOT a.frozen AND a.generation = 0
           AND a.available >= t.total
        RETURNING t.place, a.available)
    SELECT array_agg(p.place ORDER BY p.place), array_agg(p.available ORDER BY p.place)
      INTO payers, paid FROM payer p;
    IF payers IS NULL THEN
        RETURN NULL;
    END IF;
    IF cardinality(payers) < cardinality(owners) THEN
        paid := ARRAY(SELECT p.available FROM generate_series(1, cardinality(owners)) AS n(place)
                        LEFT JOIN unnest(payers, paid) AS p(place, available) USING (place)
                       ORDER BY n.place);
    END IF;
    WITH recorded AS (
        INSERT INTO charge_records (id, state, client, currency, amount, route, balance_after)
        SELECT u.id, 'deducted', owners[u.place], currencies[u.place], u.amount, u.route,
               paid[u.place] + u.rest
          FROM unnest(places, ids, amounts, routes, rests) AS u(place, id, amount, route, rest)
         WHERE paid[u.place] IS NOT NULL)
    INSERT INTO tallies AS t
    SELECT owners[u.place], currencies[u.place], u.hour, u.route, u.count, u.amount
      FROM unnest(tally_places, hours, tally_routes, counts, sums) AS u(place, hour, route, count, amount)
     WHERE paid[u.place] IS NOT NULL
    ON CONFLICT ON CONSTRAINT tallies_pkey
        DO UPDATE SET count = t.count + excluded.count, amount = t.amount + excluded.amount;
    RETURN paid;
EXCEPTION WHEN unique_violation THEN
    -- An id is known, or here twice. All of this is undone.
    RETURN NULL;
END $$;

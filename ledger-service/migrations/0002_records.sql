-- What is remembered of the ids of deductions, in pieces of time that are dropped whole: rows that were
-- deleted one by one would stay for as long as a snapshot (a backup) is open, and each batch would pay
-- for them.

CREATE TABLE charge_records (
    id            bytea PRIMARY KEY CHECK (length(id) = 16),
    -- `refused`: a void came first; `capture_first`: a capture did, and its amount is here.
    state         text NOT NULL
        CHECK (state IN ('deducted', 'voided', 'refused', 'held', 'captured', 'capture_first')),
    client        client_id,
    currency      currency,
    amount        units,
    route         text,
    balance_after units,
    captured         units, -- of a hold
    balance_captured units,
    -- How many requests it was taken for.
    count         bigint NOT NULL DEFAULT 1,
    CHECK (state NOT IN ('deducted', 'held', 'captured')
           OR (client, currency, amount, route, balance_after) IS NOT NULL),
    CHECK (state <> 'captured' OR (captured, balance_captured) IS NOT NULL)
) PARTITION BY RANGE (id);
CREATE INDEX charge_records_by_account ON charge_records (client, currency, id)
    WHERE state IN ('deducted', 'captured');

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

-- Holds that are not settled. One lies here until it is captured, voided, or ends; what is remembered of
-- its id may be dropped before.
CREATE TABLE open_holds (
    id            bytea     PRIMARY KEY CHECK (length(id) = 16),
    client        client_id NOT NULL,
    currency      currency  NOT NULL,
    amount        units     NOT NULL,
    route         text      NOT NULL,
    ends_ms       bigint    NOT NULL,
    at_end        units     NOT NULL CHECK (at_end <= amount),
    balance_after units     NOT NULL,
    lease         smallint  -- a lease's largest share of what was available, in percent
);
CREATE INDEX open_holds_by_end ON open_holds (ends_ms, id);
CREATE INDEX open_holds_by_client ON open_holds (client, currency);

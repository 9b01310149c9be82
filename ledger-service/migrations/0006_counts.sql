-- How often something happened, by pieces of a window: see ledger-service/src/accounting/limit.rs.

CREATE TABLE counts (
    piece bigint NOT NULL,
    name  text   NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (piece, name)
);

-- Whether there is room for one more; if so and it is wanted, it is counted. Answers 0, or after how
-- many milliseconds there may be room. Old counts are deleted by the ledgers' upkeep.
CREATE FUNCTION within_limit(n text, most bigint, piece_ms bigint, wanted boolean)
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

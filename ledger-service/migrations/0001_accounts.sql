-- The books. Amounts are units (1/10,000 of a currency's major unit), never negative, at most
-- 2^53 - 1; the constraints hold whoever writes.

CREATE DOMAIN units AS bigint CHECK (VALUE BETWEEN 0 AND 9007199254740991);
CREATE DOMAIN client_id AS bytea CHECK (length(VALUE) = 32);
CREATE DOMAIN currency AS text CHECK (VALUE ~ '^[a-z]{3}$');

CREATE TABLE accounts (
    client    client_id NOT NULL,
    currency  currency  NOT NULL,
    available units     NOT NULL DEFAULT 0,
    pending   units     NOT NULL DEFAULT 0,
    debt      units     NOT NULL DEFAULT 0,
    frozen    boolean   NOT NULL DEFAULT false,
    -- Of what is pending, what is out on leases; how many; whether they are called back.
    leased    units     NOT NULL DEFAULT 0 CHECK (leased <= pending),
    leases    smallint  NOT NULL DEFAULT 0 CHECK (leases BETWEEN 0 AND 8),
    recalled  boolean   NOT NULL DEFAULT false,
    -- Which of the client's ids may spend: see ledger-service/src/accounting/rotation.rs. The same in all of its
    -- accounts.
    generation    bigint NOT NULL DEFAULT 0,
    oldest        bigint NOT NULL DEFAULT 0,
    until_ms      bigint NOT NULL DEFAULT 0,
    rotation_name bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (client, currency)
) WITH (fillfactor = 50); -- room for updates in place: every request updates one row

-- What is new says what its client's other accounts say. The lock is that of rotations: none of them overlooks an
-- account that is being made.
CREATE FUNCTION inherit_rotation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    other accounts;
BEGIN
    IF EXISTS (SELECT FROM accounts a WHERE a.client = NEW.client AND a.currency = NEW.currency) THEN
        RETURN NEW;
    END IF;
    PERFORM lock_rotation(NEW.client);
    SELECT * INTO other FROM accounts a WHERE a.client = NEW.client LIMIT 1;
    IF FOUND THEN
        NEW.generation := other.generation;
        NEW.oldest := other.oldest;
        NEW.until_ms := other.until_ms;
        NEW.rotation_name := other.rotation_name;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_inherit_rotation BEFORE INSERT ON accounts
    FOR EACH ROW EXECUTE FUNCTION inherit_rotation();

CREATE FUNCTION lock_rotation(c bytea) RETURNS void LANGUAGE sql AS
    $$ SELECT pg_advisory_xact_lock(hashtextextended(encode(c, 'hex'), 403)) $$;

-- What is left of grants, of accounts that have a rest of one: see ledger-service/src/accounting/grant.rs.
CREATE TABLE grants (
    client   client_id NOT NULL,
    currency currency  NOT NULL,
    record   jsonb     NOT NULL,
    -- When somebody has to look whether one has expired.
    due_ms   bigint,
    PRIMARY KEY (client, currency)
);
CREATE INDEX grants_by_due ON grants (due_ms) WHERE due_ms IS NOT NULL;

-- Keys, by their SHA-256: see ledger-service/src/accounting/key.rs.
CREATE TABLE keys (
    hash     bytea     PRIMARY KEY CHECK (length(hash) = 32),
    client   client_id NOT NULL,
    record   jsonb     NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX keys_by_client ON keys (client);

-- Sums of deductions less voids, for ever.
CREATE TABLE tallies (
    client   client_id NOT NULL,
    currency currency  NOT NULL,
    hour     bigint    NOT NULL,
    route    text      NOT NULL,
    count    bigint    NOT NULL,
    amount   bigint    NOT NULL,
    PRIMARY KEY (client, currency, hour, route)
) WITH (fillfactor = 50);
CREATE INDEX tallies_by_hour ON tallies (hour); -- operators sum up the last hours

-- Movements of money: immutable, for ever.
CREATE TABLE movements (
    sequence  bigint    GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client    client_id NOT NULL,
    currency  currency  NOT NULL,
    kind      text      COLLATE "C" NOT NULL,
    reference text      COLLATE "C" NOT NULL,
    amount    units     NOT NULL,
    note      text,
    at_ms     bigint    NOT NULL,
    UNIQUE (client, currency, kind, reference)
);
-- Operators page through those of some kinds, the newest first.
CREATE INDEX movements_by_time ON movements (kind, at_ms, client, currency, reference);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'movements are immutable: post another one that corrects it';
END $$;
CREATE TRIGGER movements_are_immutable BEFORE UPDATE OR DELETE ON movements
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER movements_are_not_truncated BEFORE TRUNCATE ON movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

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

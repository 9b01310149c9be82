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
    PRIMARY KEY (client, currency)
) WITH (fillfactor = 50); -- room for updates in place: every request updates one row

-- What is remembered of a charge id. Ids begin with their time: the oldest are a range.
CREATE TABLE charges (
    id            bytea PRIMARY KEY CHECK (length(id) = 16),
    state         text NOT NULL CHECK (state IN ('deducted', 'voided', 'refused')),
    client        client_id,
    currency      currency,
    amount        units,
    route         text,
    balance_after units,
    CHECK (state <> 'deducted'
           OR (client, currency, amount, route, balance_after) IS NOT NULL)
);
CREATE INDEX charges_by_account ON charges (client, currency, id) WHERE state = 'deducted';

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

-- Movements of money: immutable, for ever.
CREATE TABLE movements (
    sequence  bigint    GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client    client_id NOT NULL,
    currency  currency  NOT NULL,
    kind      text      NOT NULL,
    reference text      NOT NULL,
    amount    units     NOT NULL,
    note      text,
    at_ms     bigint    NOT NULL,
    UNIQUE (client, currency, kind, reference)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'movements are immutable: post another one that corrects it';
END $$;
CREATE TRIGGER movements_are_immutable BEFORE UPDATE OR DELETE ON movements
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER movements_are_not_truncated BEFORE TRUNCATE ON movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE top_ups (
    id              uuid PRIMARY KEY,
    client          client_id NOT NULL,
    currency        currency  NOT NULL,
    idempotency_key text,
    created_ms      bigint    NOT NULL,
    finished        boolean   NOT NULL,
    record          jsonb     NOT NULL
);
CREATE UNIQUE INDEX one_unfinished_top_up ON top_ups (client, currency) WHERE NOT finished;
CREATE INDEX named_top_ups ON top_ups (client, currency, idempotency_key, created_ms)
    WHERE idempotency_key IS NOT NULL;

CREATE TABLE customers (
    client   client_id PRIMARY KEY,
    customer text NOT NULL
);

-- What operators did: see ledger-service/src/accounting/audit.rs. Immutable, for ever.

CREATE TABLE audit (
    at_ms  bigint  NOT NULL,
    action uuid    NOT NULL,
    ended  boolean NOT NULL,
    record jsonb   NOT NULL,
    PRIMARY KEY (at_ms, action, ended)
);

CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit record is immutable';
END $$;
CREATE TRIGGER audit_is_immutable BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_audit();
CREATE TRIGGER audit_is_not_truncated BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();

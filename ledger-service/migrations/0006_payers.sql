-- Whose a PaymentIntent is, by our own books: what its metadata says others can change.

CREATE TABLE payers (
    payment_intent text PRIMARY KEY,
    client         client_id NOT NULL,
    currency       currency  NOT NULL
);

-- The name of these books, in the metadata of what is charged for them: one row.
CREATE TABLE books (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    id   uuid NOT NULL
);

-- While a server secret is being replaced: the id under which a client is known, by the least of its ids.
CREATE TABLE agreed_clients (
    anchor client_id PRIMARY KEY,
    client client_id NOT NULL
);

-- Those that ended without a charge before there was a list. When they did is not known: from now on
-- they are kept for as long as others. A migration of its own, as it reads every top-up and locks none.

INSERT INTO uncharged_top_ups
    SELECT id, client, now_ms(), NULL FROM top_ups WHERE finished AND is_uncharged(record)
    ON CONFLICT (id) DO NOTHING;

-- Records of top-ups: lines "finished (0 or 1)", amount, created (Unix ms), currency, card,
-- idempotency key (JSON text, or nothing), state (JSON). The last two are not looked into here. A card is
-- its id, and after a space what people know it by, which is not compared.
--
-- KEYS[4] top-ups: `<id>` = the record, `open:<currency>` = the id of the unfinished one,
--         `named:<currency>:<key>` = the id of the latest under this idempotency key,
--         `credited` = 1 if one ever was
-- KEYS[5] what of KEYS[4] is finished or dated, sorted by when it can be forgotten

local TOP_UPS, DATED = KEYS[4], KEYS[5]

local function parse(stored)
    local finished, units, created, currency, card, name, how =
        string.match(stored, '^([01])\n(%d+)\n(%d+)\n(%l%l%l)\n([^\n]*)\n([^\n]*)\n(.*)$')
    if not finished then
        fail('a top-up')
    end
    return {
        finished = finished == '1', units = units, created = tonumber(created),
        currency = currency, card = card, pays = string.match(card, '^[^ ]*'), name = name,
        state = how,
    }
end

local function top_up(id)
    local stored = id and redis.call('HGET', TOP_UPS, id)
    if stored then
        return stored, parse(stored)
    end
end

-- Whether it ended without a charge, as far as we knew.
local function is_uncharged(of)
    return of.finished and (string.find(of.state, '"state":"refused"', 1, true)
        or string.find(of.state, '"state":"lapsed"', 1, true))
end

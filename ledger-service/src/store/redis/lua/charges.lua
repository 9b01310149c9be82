-- Voids and charges of one client, in this order, as `accounting/deduction.rs` says.
--
-- KEYS[4]  sums: `n:<hour>:<currency>:<route>` = how many, `u:…` = how many units
-- KEYS[5…] buckets of charges by the time of minting: id = "amount balance_after currency route",
--          'v' (voided), or 'r' (refused in advance)
-- ARGV[2…4] how long charges are remembered, how far clocks may be ahead, a bucket's length (ms)
-- ARGV[5…] seven for each void or charge: 'v' or 'c', its bucket's index in KEYS, id, when minted
--          (ms), currency, amount, route (the last three '' for a void)

local SUMS = KEYS[4]
local memory, skew, bucket_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local oldest = math.max(0, NOW - math.floor(memory / 2))
local forgotten_before = math.max(0, NOW - memory)
local newest = NOW + skew

-- Commands cost more than what is done with their answers: each bucket is read and written by one.
local found, written, tallied, full = {}, {}, {}, {}

-- Lua's stack holds some 8,000 values.
local PIECE = 2000

local function in_pieces(list, act)
    for first = 1, #list, PIECE do
        act(first, unpack(list, first, math.min(first + PIECE - 1, #list)))
    end
end

local function find_all()
    local wanted = {}
    for at = 5, #ARGV, 7 do
        local bucket = KEYS[tonumber(ARGV[at + 1])]
        wanted[bucket] = wanted[bucket] or {}
        table.insert(wanted[bucket], ARGV[at + 2])
    end
    for bucket, ids in pairs(wanted) do
        found[bucket] = {}
        in_pieces(ids, function(first, ...)
            for at, value in ipairs(redis.call('HMGET', bucket, ...)) do
                found[bucket][ids[first + at - 1]] = value
            end
        end)
    end
end

local function find(bucket, id)
    return found[bucket][id]
end

local function write(bucket, id, value)
    found[bucket][id] = value
    written[bucket] = written[bucket] or {}
    table.insert(written[bucket], id)
    table.insert(written[bucket], value)
end

local function parse(value)
    local units, after, currency, route = string.match(value, '^(%d+) (%d+) (%l%l%l) (.*)$')
    if not units then
        fail('a charge')
    end
    return { units = units, after = after, currency = currency, route = route }
end

-- Sums up to 2^53 - 1 are exact; one that would go beyond is kept as far as it has come.
local function tally(minted, currency, route, sign, units)
    local name = text(math.floor(minted / 3600000)) .. ':' .. currency .. ':' .. route
    local sum = tallied[name]
    if sum and math.abs(sum.units + sign * units) > MAX then
        table.insert(full, sum)
        sum = nil
    end
    if not sum then
        sum = { name = name, count = 0, units = 0 }
        tallied[name] = sum
    end
    sum.count, sum.units = sum.count + sign, sum.units + sign * units
end

local function charge(bucket, id, minted, currency, units, route)
    if minted < oldest or minted > newest then
        return 'stale'
    end
    local known = find(bucket, id)
    if known == 'v' or known == 'r' then
        return 'voided'
    end
    if known then
        local was = parse(known)
        if was.units == units and was.currency == currency and was.route == route then
            return 'charged ' .. was.after
        end
        return 'conflict'
    end
    local from = account(currency)
    if from.frozen then
        return 'frozen'
    end
    local wanted = amount(units, 'the price')
    if from.available < wanted then
        return 'insufficient'
    end
    change(currency)
    from.available = from.available - wanted
    local after = text(from.available)
    tally(minted, currency, route, 1, wanted)
    write(bucket, id, units .. ' ' .. after .. ' ' .. currency .. ' ' .. route)
    return 'charged ' .. after
end

local function void(bucket, id, minted)
    if minted < forgotten_before or minted > newest then
        return 'stale'
    end
    local known = find(bucket, id)
    if known == 'v' or known == 'r' then
        return 'repeated'
    end
    if not known then
        write(bucket, id, 'r')
        return 'marked'
    end
    local was = parse(known)
    change(was.currency)
    -- Only an account at the largest amount could not take its own units back; it keeps them.
    local units = amount(was.units, 'a charge')
    credit(account(was.currency), units)
    tally(minted, was.currency, was.route, -1, units)
    write(bucket, id, 'v')
    return 'voided'
end

local function write_all()
    for _, sum in pairs(tallied) do
        table.insert(full, sum)
    end
    for _, sum in ipairs(full) do
        redis.call('HINCRBY', SUMS, 'n:' .. sum.name, text(sum.count))
        redis.call('HINCRBY', SUMS, 'u:' .. sum.name, text(sum.units))
    end
    for bucket, records in pairs(written) do
        in_pieces(records, function(_, ...)
            redis.call('HSET', bucket, ...)
        end)
        if redis.call('PTTL', bucket) < 0 then
            local begins = tonumber(string.match(bucket, '%d+$')) * bucket_ms
            redis.call('PEXPIREAT', bucket, text(begins + bucket_ms + memory))
        end
    end
end

return run(function()
    local answers = {}
    find_all()
    for at = 5, #ARGV, 7 do
        local bucket, id, minted = KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2], tonumber(ARGV[at + 3])
        if ARGV[at] == 'v' then
            table.insert(answers, void(bucket, id, minted))
        else
            table.insert(answers,
                charge(bucket, id, minted, ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]))
        end
    end
    write_all()
    return answers
end)

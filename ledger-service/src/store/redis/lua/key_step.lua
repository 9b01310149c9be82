-- One deduction, capture or void of one client in the name of a key, and the key with it, as
-- `accounting/key/apply.rs` says.
--
-- KEYS[1]  the client's keys: SHA-256 = "revision record"; the others as `charges.lua` says
-- ARGV[1…5] as `charges.lua` says
-- ARGV[6…8] the key's SHA-256, its revision and record if the entry takes effect
-- ARGV[9…10] how the answer to an entry that takes effect begins, and '1' if its id must be new besides
-- ARGV[11…] the client's part, of one entry
-- Answers 'changed' if the key has; else 'written' or 'kept', of the key, and as `charges.lua` says.

local stored = call('HGET', KEYS[1], ARGV[6])
local before = stored and tonumber(match(stored, '^%d+')) or 0
if before + 1 ~= tonumber(ARGV[7]) then
    return { 'changed' }
end
local known = call('HGET', KEYS[tonumber(ARGV[15])], ARGV[16])
local is_new = not known or known == 'r' or string.sub(known, 1, 2) == 'm '
local answer = run_parts(11, 2)
if answer.err then
    return answer
end
local took_effect = answer[1] == 'ok' and string.sub(answer[2], 1, #ARGV[9]) == ARGV[9]
    and (is_new or ARGV[10] ~= '1')
if took_effect then
    call('HSET', KEYS[1], ARGV[6], ARGV[7] .. ' ' .. ARGV[8])
end
table.insert(answer, 1, took_effect and 'written' or 'kept')
return answer

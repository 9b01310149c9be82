-- A batch, as `charges.lua` says.

return run_parts(6, 1)

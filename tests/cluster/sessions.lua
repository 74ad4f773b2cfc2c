-- Creates sessions over CONTENTS contents (first argument) and counts their outcomes. wrk runs one of these
-- interpreters a thread; the last line of the output is one JSON object.
local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   contents = tonumber(args[1])
   next_content, created, warm, failed = 0, 0, 0, 0
end

function delay()
   return 25
end

function request()
   next_content = (next_content + 1) % contents
   return wrk.format("POST", "/v1/sessions", { ["Content-Type"] = "application/json" },
      '{"content": "load-' .. next_content .. '"}')
end

function response(status, headers, body)
   if status == 201 then
      created = created + 1
      if body:find('"outcome":"warm"', 1, true) then warm = warm + 1 end
   else
      failed = failed + 1
   end
end

function done(summary, latency, requests)
   local c, w, f = 0, 0, 0
   for _, t in ipairs(threads) do
      c, w, f = c + t:get("created"), w + t:get("warm"), f + t:get("failed")
   end
   local e = summary.errors
   print(string.format('{"created": %d, "warm": %d, "failed": %d, "socket_errors": %d, "per_second": %.0f, "p50_us": %.0f, "p99_us": %.0f}',
      c, w, f, e.connect + e.read + e.write + e.timeout, summary.requests / (summary.duration / 1e6),
      latency:percentile(50), latency:percentile(99)))
end

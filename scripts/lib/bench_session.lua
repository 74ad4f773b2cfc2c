-- Asks for a session of another content each time: POST /v1/sessions over CONTENTS contents (first argument). The bodies
-- are made beforehand, so that making them is no part of what is measured. The last line of output is one JSON object.
function init(args)
   local contents = tonumber(args[1])
   local stride = 7919 -- a prime: neighbours in time are no neighbours in the index
   bodies, at = {}, 0
   for i = 0, contents - 1 do
      bodies[i + 1] = wrk.format("POST", "/v1/sessions", { ["Content-Type"] = "application/json" },
         string.format('{"content":"lv%d"}', (i * stride) % contents))
   end
end

function request()
   at = at % #bodies + 1
   return bodies[at]
end

function done(summary, latency, requests)
   local e = summary.errors
   print(string.format('{"requests": %d, "us": %d, "errors": %d, "p50_us": %.0f, "p99_us": %.0f}', summary.requests,
      summary.duration, e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(50), latency:percentile(99)))
end

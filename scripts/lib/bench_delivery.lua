-- Asks for COUNT objects in turn, PREFIX0SUFFIX, PREFIX1SUFFIX ... (arguments PREFIX COUNT SUFFIX). The requests are made
-- beforehand, so that making them is no part of what is measured. The last line of output is one JSON object.
function init(args)
   requests, at = {}, 0
   for i = 0, tonumber(args[2]) - 1 do
      requests[i + 1] = wrk.format("GET", args[1] .. i .. args[3])
   end
end

function request()
   at = at % #requests + 1
   return requests[at]
end

function done(summary, latency, requests)
   local e = summary.errors
   print(string.format('{"requests": %d, "us": %d, "bytes": %d, "errors": %d, "p50_us": %.0f, "p99_us": %.0f}', summary.requests,
      summary.duration, summary.bytes, e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(50),
      latency:percentile(99)))
end

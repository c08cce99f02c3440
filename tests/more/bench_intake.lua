-- One native event a request, each with an id of its own; with FORGED, deliveries that nobody signed.
local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  sent = 0
end

local function delivery()
  local id = string.format("%s-%d-%d", os.getenv("ROUND"), number, sent)
  local body = '{"event_id":"' .. id .. '","kind":"deployment","phase":"live",'
    .. '"occurred_at":"2026-04-02T09:00:00Z","service":"mill","environment":"production",'
    .. '"deployment_id":"' .. id .. '","version":"1.4.' .. sent .. '","title":"Deploy mill","actor":"u-' .. sent % 40 .. '"}'
  return wrk.format("POST", "/v1/ingest/native", {
    ["authorization"] = "Bearer " .. os.getenv("TOKEN"),
    ["content-type"] = "application/json",
  }, body)
end

-- A signature that has the right form: the server must compute the code of the whole body to see that it is wrong.
local function forgery()
  local body = string.format('{"action":"created","number":%d,"text":"%s"}', sent, string.rep("x", 8000))
  return wrk.format("POST", "/v1/ingest/github", {
    ["x-github-event"] = "deployment",
    ["x-hub-signature-256"] = "sha256=" .. string.format("%08x", sent):rep(8),
    ["content-type"] = "application/json",
  }, body)
end

-- So many milliseconds between an answer and the next request of a connection.
local pace = tonumber(os.getenv("PACE"))
if pace then
  function delay() return pace end
end

function request()
  sent = sent + 1
  if os.getenv("FORGED") then return forgery() end
  return delivery()
end

function done(summary, latency)
  local failed = summary.errors.status
  io.write(string.format("answers %d refused %d seconds %.2f per_second %.0f p50_ms %.2f p99_ms %.2f max_ms %.2f\n",
    summary.requests, failed, summary.duration / 1e6, summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end

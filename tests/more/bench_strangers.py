"""Strangers who only hold connections, and an honest sender beside them.

    bench_strangers.py hold HOST:PORT CONNECTIONS SECONDS
    bench_strangers.py honest HOST:PORT SECONDS ROUND
"""

import json
import os
import selectors
import socket
import sys
import time


def hold(address, wanted, seconds):
    """Connects, says nothing, and comes again as soon as it is sent away."""
    polled = selectors.DefaultSelector()
    made, ends = 0, time.monotonic() + seconds

    def connect():
        nonlocal made
        stranger = socket.socket()
        stranger.setblocking(False)
        stranger.connect_ex(address)
        polled.register(stranger, selectors.EVENT_READ)
        made += 1

    for n in range(wanted):
        connect()
        if n % 100 == 0:
            time.sleep(0.01)
    print(f"{wanted} connections held", flush=True)
    while time.monotonic() < ends:
        for key, _ in polled.select(timeout=0.1):
            polled.unregister(key.fileobj)
            key.fileobj.close()
            connect()
    print(f"{made} connections made in all")


def once(address, request):
    """The status of one request on a connection of its own; 0 if there was no answer."""
    try:
        with socket.create_connection(address, timeout=10) as stream:
            stream.sendall(request)
            answer = b""
            while part := stream.recv(65536):
                answer += part
        return int(answer.split(b" ", 2)[1])
    except (OSError, IndexError):
        return 0


def honest(address, seconds, round_):
    """A delivery and a probe, again and again: how many were answered well, and how long they took."""
    took = {"deliveries": [], "probes": []}
    failed = dict.fromkeys(took, 0)
    ends, sent = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        sent += 1
        event = {"event_id": f"{round_}-{sent}", "kind": "deployment", "phase": "live",
                 "occurred_at": "2026-04-02T09:00:00Z", "service": "mill", "version": f"1.{sent}"}
        body = json.dumps(event)
        post = (f"POST /v1/ingest/native HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                f"authorization: Bearer {os.environ['TOKEN']}\r\ncontent-length: {len(body)}\r\n\r\n{body}")
        probe = "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        for what, request in ("deliveries", post), ("probes", probe):
            began = time.monotonic()
            good = once(address, request.encode()) == 200
            took[what].append((time.monotonic() - began) * 1e3)
            failed[what] += not good
        time.sleep(0.005)
    for what, times in took.items():
        times.sort()
        at = [times[min(int(len(times) * q), len(times) - 1)] for q in (0.5, 0.99, 1)]
        print(f"honest {what} {len(times)} failed {failed[what]} "
              f"p50_ms {at[0]:.2f} p99_ms {at[1]:.2f} max_ms {at[2]:.2f}")


what, place, *rest = sys.argv[1:]
host, port = place.removeprefix("http://").split(":")
if what == "hold":
    hold((host, int(port)), int(rest[0]), float(rest[1]))
else:
    honest((host, int(port)), float(rest[0]), rest[1])

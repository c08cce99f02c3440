#!/usr/bin/env python3
"""A second opinion: the metrics of docs/metrics.md, computed again from exported events.

    backtrail export events > events.ndjson; backtrail metrics --period 2026-Q3 --format ndjson > metrics.ndjson
    second_opinion.py events.ndjson --compare metrics.ndjson
    second_opinion.py events.ndjson --from 2026-09-01 --to 2026-10-01

Written from docs/metrics.md alone, with the standard library alone; numbers in comments are its corner cases. All times
are integers, microseconds since 1970. It prints JSON; `--compare` takes window and `as_of` from the product's rows, prints
each field that differs and exits with 1 if there is one.
"""

import argparse
import json
import sys
from bisect import bisect_left
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from fractions import Fraction
from types import SimpleNamespace as Thing
from zoneinfo import ZoneInfo

MINUTE = 60_000_000
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE
PARAMETERS = {
    "hold": 15 * MINUTE, "verify_deadline": HOUR, "relapse_window": HOUR, "coalesce": 30 * MINUTE,
    "oscillation_window": DAY, "cooldown": 4 * HOUR, "reopen_window": DAY, "disorder": 5_000_000,
    "failure_horizon": DAY, "link_window": DAY, "postmortem_deadline": 2 * DAY, "late_after": 15 * MINUTE,
    "slo_period": 30 * DAY,
}
PHASES = {
    "deployment": "queued started progressed paused resumed live succeeded failed cancelled superseded removed",
    "rollback": "requested decided approved started live succeeded failed cancelled verified",
    "incident": "started detected reported acknowledged unacknowledged escalated severity_changed decided mitigated "
                "verified resolved reopened closed merged cancelled annotated",
    "health": "baseline warning breached no_data recovered sample",
    "approval": "requested approved rejected revoked expired", "override": "used reviewed",
    "grant": "given withdrawn", "review": "signed", "change": "created scheduled closed",
    "verification": "started passed failed inconclusive skipped", "divergence": "checked detected reconciled",
    "artifact": "published checked missing deleted", "runbook": "started step_completed completed failed aborted",
    "drill": "scheduled started completed cancelled", "postmortem": "created published reviewed",
    "action_item": "created updated completed cancelled", "notification": "sent", "assessment": "made",
    "flag": "turned_on turned_off changed", "service": "declared retired", "environment": "created deleted",
    "correction": "amended retracted", "ingest": "rejected gap_detected source_silent manifest reconciled retried",
}
RANK = {pair: i for i, pair in enumerate((k, p) for k, ps in PHASES.items() for p in ps.split())}
NOT_AMENDED = set(
    "seq event_id schema kind phase occurred_at time_basis recorded_at amends_event_id chain_id attributes source "
    "source_instance source_event_id source_event_type ingest_mode authn_method authn_verified authn_key_id assertion "
    "inference_rule payload_commitment headers_commitment".split())
TIMES = ("occurred_at recorded_at committed_at expires_at valid_from valid_to due_at completed_at retained_until "
         "window_start window_end reported_started_at reported_detected_at reported_acknowledged_at "
         "reported_mitigated_at reported_resolved_at").split()
CHANGES = ("forward", "fix_forward", "reapply")  # 25
END = 1 << 62  # later than any time
COMPUTED = set()  # (metric, dimension) of all tables, empty ones too


# Time and reading ----------------------------------------------------------------------------------------------------


def micros(text):
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return (at - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)


def local_midnight(text, zone):
    """An instant, or a date read as its midnight in `zone`."""
    return micros(text) if "T" in text else micros(datetime.fromisoformat(text).replace(tzinfo=zone).isoformat())


def last_month(as_of, zone):
    """The last complete month before `as_of`."""
    first = datetime.fromtimestamp(as_of // 1_000_000, zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = (first - timedelta(days=1)).replace(day=1)
    return [micros(d.replace(tzinfo=zone).isoformat()) for d in (before, first)]


def read(lines):
    rows = []
    for seq, line in enumerate(line for line in lines if line.strip()):
        row = json.loads(line)
        row.setdefault("seq", seq)
        for name in TIMES:
            if name in row:
                row[name] = micros(row[name])
        rows.append(row)
    return rows


def key(row):
    """The canonical order of rows, whatever the order of arrival."""
    return row["occurred_at"], RANK[row["kind"], row["phase"]], row["event_id"]


def facts_of(rows):
    """The rows with corrections applied, in canonical order (3, 45)."""
    corrections = sorted((r for r in rows if r["kind"] == "correction"), key=lambda r: (r["recorded_at"], r["seq"]))
    retractions = defaultdict(list)
    for c in corrections:
        if c["phase"] == "retracted":
            retractions[c.get("amends_event_id")].append(c)

    def retracted(event_id, depth=0):
        return any(not retracted(c["event_id"], depth + 1) for c in retractions[event_id]) if depth < 64 else False

    facts = {r["event_id"]: dict(r) for r in rows
             if r["kind"] not in ("ledger", "correction") and not retracted(r["event_id"])}
    for c in corrections:
        target = facts.get(c.get("amends_event_id"))
        if target is None or c["phase"] != "amended" or retracted(c["event_id"]):
            continue
        target.update({k: v for k, v in c.items() if k not in NOT_AMENDED})
        if "occurred_at" in c.get("attributes", {}):
            target["occurred_at"] = micros(c["attributes"]["occurred_at"])
    return sorted(facts.values(), key=key)


def latest(rows, name):
    """The latest non-null value that rows in canonical order state (2)."""
    return next((r[name] for r in reversed(rows) if name in r), None)


def first(rows, *phases):
    """The earliest row of the first phase that has one."""
    return next((r for p in phases for r in rows if r["phase"] == p), None)


def at(row):
    return row["occurred_at"] if row else None


def place(row):
    return row.get("service"), row.get("environment"), row.get("region")


def is_production(tier, environment):
    return tier == "production" if tier else environment in ("production", "prod")  # 5


def grouped(rows, name):
    groups = defaultdict(list)
    for r in rows:
        if name in r:
            groups[r[name]].append(r)
    return groups


# Versions ------------------------------------------------------------------------------------------------------------


def identities(facts):
    """Two functions: the identity of a row's version, and of a text that names a version (4)."""
    digests, commits, known = defaultdict(set), defaultdict(set), set()
    for r in facts:
        s, digest, commit, label = (r.get(n) for n in ("service", "artifact_digest", "commit_sha", "version"))
        for kind, value in (("digest", digest), ("commit", commit), ("label", label)):
            if value:
                known.add((s, kind, value))
                if digest and kind != "digest":
                    digests[s, kind, value].add(digest)
        if label and commit:
            commits[s, label].add(commit)

    def only(values):
        return next(iter(values)) if len(values) == 1 else None

    def of_commit(s, commit):
        return only(digests[s, "commit", commit]) or commit

    def of_label(s, label):
        bound = digests[s, "label", label]
        commit = None if bound else only(commits[s, label])
        return only(bound) or (of_commit(s, commit) if commit else label)

    def of_row(s, digest, commit, label):
        if digest or not (commit or label):
            return digest
        bound = (commit and only(digests[s, "commit", commit])) or (label and only(digests[s, "label", label]))
        return bound or commit or of_label(s, label)

    def of_text(s, text):
        readings = {("digest", text): lambda: text, ("commit", text): lambda: of_commit(s, text),
                    ("label", text): lambda: of_label(s, text)}
        return only({f() for (kind, _), f in readings.items() if (s, kind, text) in known}) or text

    return of_row, of_text


# Deployments ---------------------------------------------------------------------------------------------------------


def deployment_groups(rows, identity):
    """Rows by deployment: by id, else by slot, version and pipeline run, else by sequence (6)."""
    groups, current = defaultdict(list), {}
    for r in rows:
        version = identity(r.get("service"), r.get("artifact_digest"), r.get("commit_sha"), r.get("version"))
        where = (*place(r), version)
        if "deployment_id" in r:
            groups[r["deployment_id"]].append(r)
        elif "pipeline_run_id" in r:
            groups[("run", *where, r["pipeline_run_id"])].append(r)
        else:
            seen = groups.get(current.get(where), [])
            phases = {s["phase"] for s in seen}
            passive = r["phase"] in ("progressed", "paused", "resumed", "superseded", "removed")
            if not seen or (not passive and (r["phase"] in phases or phases & {"succeeded", "failed", "cancelled"})):
                current[where] = ("seq", *where, key(r))
            groups[current[where]].append(r)
    return groups


OUTCOME = {"live": "succeeded", "succeeded": "succeeded", "failed": "failed", "cancelled": "aborted"}
STATED = ("service environment region environment_tier version artifact_digest commit_sha incident_id rollback_id "
          "rollback_of recognised_by drill planned change_id committed_at to_version").split()


def deployment_of(ident, rows, identity):
    d = Thing(id=ident if isinstance(ident, str) else "|".join(map(str, ident)), rows=rows,
              **{n: latest(rows, n) for n in STATED})
    d.slot = (d.service, d.environment, d.region)
    d.drill = bool(d.drill)
    d.identity = identity(d.service, d.artifact_digest, d.commit_sha, d.version)
    d.started, d.live = first(rows, "started"), first(rows, "live", "succeeded")
    d.last = next((r for r in reversed(rows) if r["phase"] in OUTCOME), None)  # 31
    d.outcome = OUTCOME[d.last["phase"]] if d.last else "in_progress"
    return d


def deployments_of(facts, rollbacks, identity, of_text):
    """All deployments, with those that only a rollback tells of, and the live marks that only a rollback has (7)."""
    rows = [r for r in facts if r["kind"] == "deployment"]
    all_ = [deployment_of(i, rs, identity) for i, rs in deployment_groups(rows, identity).items()]
    for b in rollbacks.values():
        b.deployments = [d for d in all_ if d.rollback_id == b.id or d.id in b.deployment_ids]
        set_slots(b)
        for slot in b.slots:
            mine, rs = [d for d in b.deployments if d.slot == slot], rows_at(b, slot)
            live = first(rs, "live", "succeeded")
            for d in mine:
                d.carried = b
                if live and not d.live:
                    d.live, d.last, d.outcome = live, live, "succeeded"
            if live and not mine:
                name = f"rollback:{b.id}" + (f"/{slot[2]}" if slot[2] else "")
                d = deployment_of(name, rs, identity)
                d.service, d.environment, d.region = d.slot = slot
                d.identity = target_of(b, identity, of_text)
                d.carried = b
                b.deployments.append(d)
                all_.append(d)
    for d in all_:
        d.carried = getattr(d, "carried", None)
        d.production = is_production(d.environment_tier, d.environment)
        d.begin = d.started or d.live or d.rows[0]  # 42
        d.live_at = at(d.live)
        if d.carried and latest(d.rows, "drill") is None:
            d.drill = bool(latest(d.carried.rows, "drill"))
    return all_


def target_of(b, identity, of_text):
    """The identity that a rollback returns to."""
    text = latest(b.rows, "to_version")
    if text:
        return of_text(b.service, text)
    return identity(b.service, *(latest(b.rows, n) for n in ("artifact_digest", "commit_sha", "version")))


def classify(deployments):
    """Sets `cls` and `method` of each deployment and returns the slots' histories (8, 42)."""
    histories = {}
    by_slot = defaultdict(list)
    for d in deployments:
        by_slot[d.slot].append(d)
    for slot, ds in by_slot.items():
        lives = sorted((d for d in ds if d.live and d.identity), key=lambda d: (key(d.live), d.id))
        for d in ds:
            before = [x for x in lives if x is not d and key(x.live) < key(d.begin)]
            d.cls, d.method = class_of(d, [x.identity for x in before])
        history = []
        for d in lives:
            if history and history[-1].identity == d.identity:
                continue
            if history:
                history[-1].live_to = d.live_at
            history.append(Thing(slot=slot, position=len(history) + 1, identity=d.identity, live_from=d.live_at,
                                 live_to=None, deployment=d, drill=d.drill, key=key(d.live)))
        if history:
            histories[slot] = history
    return histories


def class_of(d, before):
    """(class, method) of a deployment in a slot where the versions `before` had been live, in order."""
    if d.carried or d.rollback_id or d.rollback_of or d.recognised_by in ("explicit", "convention", "attested"):
        return "rollback", "explicit"
    if not before:
        return "forward", "none"
    current = before[-1]
    if d.identity == current:
        return "restart", "first_live"
    if d.recognised_by == "ancestry":
        return "rollback", "ancestry"
    if d.identity in before:
        older = before.index(d.identity) < before.index(current)
        return ("rollback" if older else "reapply"), "first_live"
    return ("fix_forward" if d.incident_id else "forward"), "first_live"


# Rollbacks -----------------------------------------------------------------------------------------------------------


def rollback_rows(facts):
    rollbacks = {}
    for ident, rows in grouped([r for r in facts if r["kind"] == "rollback"], "rollback_id").items():
        rollbacks[ident] = new_rollback(ident, rows)
    return rollbacks


def new_rollback(ident, rows):
    return Thing(id=ident, rows=rows, deployments=[], slots=[], service=latest(rows, "service"),
                 deployment_ids={r["deployment_id"] for r in rows if "deployment_id" in r})


def set_slots(b):
    """The slots of a rollback: a place that another one states more fully is the same (19)."""
    places = {place(r) for r in b.rows} | {d.slot for d in b.deployments}

    def covers(p, q):
        return p != q and all(x is None or x == y for x, y in zip(p, q))

    b.slots = sorted((p for p in places if not any(covers(p, q) for q in places)), key=lambda p: [x or "" for x in p])


def rows_at(b, slot):
    return [r for r in b.rows if all(x is None or x == y for x, y in zip(place(r), slot))]


def add_unnamed(rollbacks, deployments):
    """A deployment of class rollback that no rollback row names is a rollback of its own."""
    named = {d.id for b in rollbacks.values() for d in b.deployments}
    for d in deployments:
        if d.cls == "rollback" and d.id not in named:
            b = rollbacks.get(d.rollback_id) if d.rollback_id else None
            if b is None:
                b = new_rollback(d.rollback_id or f"deployment:{d.id}", [])
                rollbacks[b.id] = b
            b.deployments.append(d)
            b.service = d.service
            set_slots(b)


def mark_rollback(b, deployments, histories, identity, of_text, as_of):
    """Own marks, outcome of execution and blame, before any tie to an incident (19, 20, 23)."""
    stated = sorted(b.rows + [r for d in b.deployments for r in d.rows if r["kind"] == "deployment"], key=key)
    for name in ("trigger", "incident_id", "drill", "environment_tier", "environment", "region", "signals"):
        setattr(b, name, latest(b.rows, name) if latest(b.rows, name) is not None else latest(stated, name))
    b.drill = bool(b.drill)
    b.environment = b.environment or b.slots[0][1]
    b.production = is_production(b.environment_tier, b.environment)
    b.target = target_of(b, identity, of_text) if b.rows else None
    b.target = b.target or next((d.identity for d in b.deployments), None)
    b.decided = first(b.rows, "decided", "requested")
    started = first(b.rows, "started") or min((d.started for d in b.deployments if d.started), key=key, default=None)
    b.decided = b.decided or (started if b.trigger == "automatic" else None)
    b.started = started
    ends = {slot: slot_end(b, slot) for slot in b.slots}
    b.slot_live = {s: e.live for s, e in ends.items() if e.live}
    outcomes = [e.outcome for e in ends.values()]
    live = [s for s, e in ends.items() if e.outcome == "live"]
    b.live_at = max(at(ends[s].live) for s in live) if len(live) == len(outcomes) else None
    if any(e.outcome == "cancelled" for e in ends.values()) and not b.started and not b.slot_live:
        b.execution = "cancelled"
    elif None in outcomes:
        b.execution = "pending"
    else:
        b.execution = "succeeded" if b.live_at is not None else "partial" if live else "failed"
    lives = sorted(b.slot_live.values(), key=key)
    b.begin = b.started or b.decided or (lives[0] if lives else None) or stated[0]
    b.stopped_at = max((at(e.last) for e in ends.values() if e.last), default=None)
    blame(b, stated, deployments, histories)


def slot_end(b, slot):
    """What became of a rollback in one slot; marks that it lacks come from its deployments there (7, 19)."""
    own = rows_at(b, slot)
    theirs = sorted((r for d in b.deployments if d.slot == slot for r in d.rows if r["kind"] == "deployment"), key=key)
    ends = [r for p in OUTCOME for r in ([o for o in own if o["phase"] == p] or [t for t in theirs if t["phase"] == p])]
    last = max(ends, key=key, default=None)
    live = first(own, "live", "succeeded") or first(theirs, "live", "succeeded")
    outcome = None if last is None else "live" if last["phase"] in ("live", "succeeded") else last["phase"]
    return Thing(live=live, last=last, outcome=outcome)


def blame(b, stated, deployments, histories):
    """Per slot the deployment that is rolled back (23)."""
    by_id = {d.id: d for d in deployments}
    of = {by_id[r["rollback_of"]].slot: by_id[r["rollback_of"]] for r in stated + b.rows if r.get("rollback_of") in by_id}
    b.blamed = {}
    for slot in b.slots:
        history = histories.get(slot, [])
        before = [h for h in history if h.key < key(b.begin)]
        d = of.get(slot) or (before[-1].deployment if before else None)
        if d and d.identity != b.target:
            b.blamed[slot] = d
    carried = [latest(d.rows, "rollback_of") for slot in b.slots for d in b.deployments if d.slot == slot]
    b.failed_deployment_id = latest(b.rows, "rollback_of") or next((d for d in carried if d), None) \
        or (b.blamed[b.slots[0]].id if b.slots[0] in b.blamed else None)
    lives = [d.live_at for d in b.blamed.values() if d.live_at is not None]
    b.bad_live = min(lives, default=None)


# Signals -------------------------------------------------------------------------------------------------------------


def samples_of(facts):
    series = defaultdict(list)
    for r in facts:
        name = r.get("signal") or r.get("slo_id")
        if r["kind"] == "health" and name:
            series[r.get("service"), r.get("environment"), name, r.get("region")].append(r)
    return {k: spans_of(rows) for k, rows in series.items()}


def spans_of(rows):
    """(from, to, good) of each sample of one series (22, 34)."""
    spans = []
    for i, r in enumerate(rows):
        later = next((n["occurred_at"] for n in rows[i + 1:] if n["occurred_at"] > r["occurred_at"]), END)
        whole = "window_start" in r and "window_end" in r
        span = (r["window_start"], r["window_end"]) if whole else (r["occurred_at"], later)
        if all(n in r for n in ("good_count", "total_count", "slo_target_ppm")):
            good = r["total_count"] > 0 and r["good_count"] * 1_000_000 >= r["slo_target_ppm"] * r["total_count"]
        else:
            words = {r["phase"], r.get("signal_state")}
            good = bool(words & {"ok", "recovered"}) and not words & {"no_data", "breached", "warning"}
        spans.append((*span, good))
    return spans


def first_hold(spans, since, hold):
    """The start of the first interval at or after `since` that is in target and lasts `hold`, or None."""
    edges = sorted({since, *(t for a, b, _ in spans for t in (a, b) if t > since)})
    begun = None
    for a, b in zip(edges, edges[1:] + [END]):
        covering = [good for x, y, good in spans if x <= a < y]
        if covering and all(covering):
            begun = a if begun is None else begun
            if b - begun >= hold:
                return begun
        else:
            begun = None
    return None


def recover(b, series, as_of, p):
    """Sets `hold_at`, the start of the hold after the rollback, and whether there were samples (22, 34)."""
    b.hold_at, b.sli_data = None, False
    if b.live_at is None:
        return
    regions = {s[2] for s in b.slots}
    until = b.live_at + p["verify_deadline"] + p["hold"]
    mine = {k: v for k, v in series.items() if k[:2] == (b.service, b.environment)
            and (None in regions or k[3] is None or k[3] in regions)}
    sampled = {k: v for k, v in mine.items() if any(b.live_at <= start <= until for start, *_ in v)}
    guarded = {k: v for k, v in mine.items() if k[2] in b.signals} if b.signals else sampled
    b.sli_data = bool(guarded) and bool(set(guarded) & set(sampled))
    missing = set(b.signals or []) - {k[2] for k in guarded}
    holds = [first_hold(spans, b.live_at, p["hold"]) for spans in guarded.values()]
    in_time = None not in holds and max(holds, default=0) <= b.live_at + p["verify_deadline"]
    if b.sli_data and not missing and in_time and max(holds) + p["hold"] <= as_of:
        b.hold_at = max(holds)


# Incidents -----------------------------------------------------------------------------------------------------------


REPORTED = (("started", ("started",), "reported_started_at"), ("detected", ("detected", "reported"),
            "reported_detected_at"), ("mitigated", ("mitigated",), "reported_mitigated_at"),
            ("resolved", ("resolved", "closed"), "reported_resolved_at"))
MARKS = (("start", ("started",)), ("detected", ("detected", "reported")), ("decided", ("decided",)),
         ("acted", ("mitigated",)), ("verified", ("verified",)), ("closed", ("resolved", "closed")))


def with_reported(rows):
    """Own rows, with a row for each mark that only a `reported_*` column states (10)."""
    extra = []
    for phase, phases, column in REPORTED:
        value = latest(rows, column)
        if value is not None and not any(r["phase"] in phases for r in rows):
            extra.append({"kind": "incident", "phase": phase, "occurred_at": value, "event_id": "", "synthetic": True})
    return sorted(rows + extra, key=key)


def end_row(rows):
    """The row from which the reopening window counts: the last resolved, else closed, else verified (14, 36)."""
    return next((r for p in ("resolved", "closed", "verified") for r in reversed(rows) if r["phase"] == p), None)


def generations_of(ident, rows, p):
    """An incident cut at the reopenings that come too late, each with its effective reopenings (14)."""
    made = [new_incident(ident, 1, rows)]
    current = []
    for r in with_reported(rows):
        if r["phase"] == "reopened":
            end = end_row(current)
            if end and at(r) - at(end) > p["reopen_window"]:
                made.append(new_incident(ident, len(made) + 1, rows))
                made[-1].reborn, current = r, []
                made[-1].rows.append(r)
                continue
            if end:
                made[-1].reopenings.append(r)
                current = []
        current.append(r)
        made[-1].rows.append(r)
    for g in made:
        g.own_start = first(g.rows, "started")
        g.own_detected = min((r for r in g.rows if r["phase"] in ("detected", "reported")), key=key, default=None)
        if g.reborn:
            g.own_start, g.own_detected = None, g.reborn
        last = max((key(r) for r in g.reopenings), default=(-END,))
        ends = [r for r in g.rows if r["phase"] in ("verified", "resolved", "closed")]
        g.open_from = at(g.own_start or g.own_detected)
        g.open_to = max((at(r) for r in ends), default=END) if any(key(r) > last for r in ends) else END
        flips = [r["phase"] for r in g.rows if r["phase"] in ("cancelled", "detected", "reported", "reopened")]
        g.cancelled = bool(flips) and flips[-1] == "cancelled"  # 16
    return made


def new_incident(ident, number, rows):
    g = Thing(base=ident, id=ident if number == 1 else f"{ident}#{number}", rows=[], reopenings=[], reborn=None,
              ties=[], children=[])
    for name in ("service", "environment", "environment_tier", "severity", "detected_by", "cause_deployment_id",
                 "duplicate_of", "drill", "region"):
        setattr(g, name, latest(rows, name))
    g.services = sorted({r["service"] for r in rows if "service" in r})
    g.drill = bool(g.drill)
    g.production = g.environment is None and g.environment_tier is None \
        or is_production(g.environment_tier, g.environment)
    return g


def root_of(g, incidents):
    """The base id at the end of the chain of merges, or None in a circle (16)."""
    seen, base = {g.base}, g.base
    while base in incidents and incidents[base][0].duplicate_of:
        base = incidents[base][0].duplicate_of
        if base in seen:
            return None
        seen.add(base)
    return base


def tie(b, incidents, rank={"explicit": 0, "cause": 1, "inferred": 2}):
    """(grade, incident) of a rollback, or (None, None) (17)."""
    begun = at(b.begin)
    if b.incident_id and b.incident_id not in incidents:
        return None, None
    found = []
    for g in (g for gs in incidents.values() for g in gs):
        if g.drill != b.drill:
            continue
        same_place = b.service in g.services and (g.environment == b.environment if g.environment else b.production)
        if b.incident_id == g.base:
            grade = "explicit"
        elif g.cause_deployment_id and g.cause_deployment_id in blamed_ids(b):
            grade = "cause"
        elif same_place and not g.cancelled and b.live_at is not None and g.open_from is not None \
                and g.open_from <= b.live_at <= g.open_to:
            grade = "inferred"
        else:
            continue
        root = root_of(g, incidents)
        if root in incidents:
            g = g if root == g.base else generation_at(incidents[root], begun)
        if grade == "explicit":
            g = generation_at(incidents[g.base], begun)
        found.append((rank[grade], -(g.open_from or -END), g.id, grade, g))
    return min(found)[3:] if found else (None, None)


def blamed_ids(b):
    return {d.id for d in b.blamed.values()} | {b.failed_deployment_id}


def generation_at(generations, begun):
    """The latest generation begun before `begun`, else the first."""
    return next((g for g in reversed(generations) if g.open_from is not None and g.open_from <= begun), generations[0])


def cuts_of(g, failures, p):
    """Where the passes of an incident end: [(time, kind)], reopenings and failed verifications (9, 15, 36)."""
    lives = [b.live_at for b in g.ties if b.live_at is not None]
    ends = [b.verified_at for b in g.ties if b.verified_at is not None]
    cuts, since, acted, closed, done = [], -END, False, False, END
    top = before = g.open_from if g.open_from is not None else -END  # over all marks; over those before acted
    for r in sorted(g.rows + failures, key=key):
        t, cut = at(r), None
        borrowed = lambda times, top: any(since < x <= t and top - p["disorder"] <= x for x in times)  # noqa: E731
        if r["kind"] == "verification":
            cut = "failed" if not closed and (acted or borrowed([x for x in lives if x <= done], before)) else None
        elif r["phase"] == "reopened" and r is not g.reborn:
            cut = "reopened" if r in g.reopenings or borrowed(ends, top) else None
        elif any(r["phase"] in phases for _, phases in MARKS):
            top, acted = max(top, t), acted or r["phase"] == "mitigated"
            before = before if r["phase"] in ("mitigated", "verified", "resolved", "closed") else max(before, t)
            closed = closed or r["phase"] in ("resolved", "closed")
            done = min(done, t + p["disorder"]) if r["phase"] == "verified" else done
        if cut:
            cuts.append((t, cut))
            since, top, before, acted, closed, done = t, t, t, False, False, END
    return cuts


def solve(g, failures, as_of, p):
    """All derived columns of an incident: passes, phases, active and elapsed time, flags."""
    g.cuts = cuts_of(g, failures, p)
    edges = [-END] + [t for t, _ in g.cuts] + [END]
    own = [r for r in g.rows if r is not g.reborn]
    g.passes = []
    for k, (lo, hi) in enumerate(zip(edges, edges[1:])):
        rows = [r for r in own if pass_number(r, g) == k]
        g.passes.append(pass_marks(g, k, rows, lo, hi))
    first_pass = g.passes[0]
    set_clock(g, first_pass, p)
    g.flag = "ok"
    for k, marks in enumerate(g.passes):
        base = g.clock if k == 0 else edges[k]
        order_marks(g, marks, base, k, p)
    closed = g.passes[-1].get("closed")
    g.closed_at = closed[0] if closed else None
    g.detected = g.detected if g.flag == "invalid" or g.detected is None else first_pass["detected"][0]  # 44
    split(g, edges, as_of)


def pass_number(r, g):
    """The pass of an own row: how many cuts lie before it; at the same time the cutting row decides."""
    n = bisect_left([t for t, _ in g.cuts], at(r))
    while n < len(g.cuts) and g.cuts[n][0] == at(r) and RANK["incident", r["phase"]] > RANK["incident", "reopened"] \
            and g.cuts[n][1] == "reopened":
        n += 1
    return n


def pass_marks(g, k, rows, lo, hi):
    """The marks of one pass: its earliest rows, else what a tied rollback lends (9, 11). name → (time, own)."""
    marks = {}
    for name, phases in MARKS:
        row = first(rows, *phases) if name == "closed" else \
            min((r for r in rows if r["phase"] in phases), key=key, default=None)
        if row and not (k and name in ("start", "detected")):
            marks[name] = (at(row), True)
    lent = {"decided": [at(b.decided) for b in g.ties if b.decided], "acted": [b.live_at for b in g.ties],
            "verified": [b.verified_at for b in g.ties]}
    for name, times in lent.items():
        times = [t for t in times if t is not None and lo < t <= hi]
        if name not in marks and times:
            marks[name] = (sorted(times), False)
    return marks


def set_clock(g, marks, p):
    """Start, detection and when the clock begins; `started_assumed` (10, 11, 16)."""
    start, detected = marks.get("start", (None,))[0], marks.get("detected", (None,))[0]
    if g.reborn:
        start, detected = None, at(g.reborn)
    for child in g.children:
        starts = [t for t in (start, at(child.own_start)) if t is not None]
        detections = [t for t in (detected, at(child.own_detected)) if t is not None]
        start, detected = min(starts, default=None), min(detections, default=None)
    g.assumed = start is None or start == detected
    until = g.cuts[0][0] if g.cuts else END
    automatic = [at(b.decided) for b in g.ties if b.trigger == "automatic" and b.decided and at(b.decided) <= until]
    if automatic and not g.reborn and (g.assumed or min(automatic) >= start - p["disorder"]):
        detected = min(t for t in (detected, min(automatic)) if t is not None)
        g.assumed = g.assumed or start == detected
    g.start, g.detected = start, detected
    g.clock = detected if g.assumed else start
    marks.pop("start", None)
    marks.pop("detected", None)
    if detected is not None:
        marks["detected"] = (detected, True)


def order_marks(g, marks, base, k, p):
    """Raises marks that are a little early, drops borrowed ones that are out of order, flags the incident (9, 11)."""
    if base is None:
        return
    names, slack, top = [n for n, _ in MARKS if n in marks], p["disorder"], base
    for n in names:  # own marks among themselves
        t, own = marks[n]
        if own:
            g.flag = "invalid" if t < top - slack else g.flag
            top = max(top, t)
    top = base
    for i, n in enumerate(names):
        t, own = marks[n]
        if not own:
            later = min((marks[m][0] for m in names[i + 1:] if marks[m][1]), default=END)
            t = next((x for x in t if top - slack <= x <= later + slack), None)
            if t is None:
                del marks[n]
                continue
            marks[n] = (t, own)
        if t < top and g.flag != "invalid":
            g.flag, marks[n] = "clamped", (top, own)
        top = max(top, t)


def split(g, edges, as_of):
    """The phases; every instant between clock and end lies in one of them or is unattributed (12, 13, 14, 31)."""
    spent, null, entered, g.unattributed = [0] * 4, set(), set(), 0
    g.censored, last = False, len(g.passes) - 1
    if g.clock is None:
        g.end = g.active = g.elapsed = g.unattributed = None
        g.phase = [None] * 4
        return
    for k, marks in enumerate(g.passes):
        known = {} if k else {0: g.clock}
        if k:
            known[1] = edges[k]
        for i, name in ((1, "detected"), (2, "decided"), (3, "acted")):
            if name in marks and (k == 0 or i > 1):
                known[i] = marks[name][0]
        if "verified" in marks:
            known[4] = marks["verified"][0]
        elif k < last:
            known[4] = edges[k + 1]
        elif "closed" in marks:
            known[4] = marks["closed"][0]
        else:
            g.censored = True
        order = sorted(known)
        for i, j in zip(order, order[1:]):
            if j == i + 1:
                spent[i] += known[j] - known[i]
                entered.add(i)
            else:
                null |= set(range(i, j))
                g.unattributed += known[j] - known[i]
        if 4 not in known:
            current = order[-1]
            spent[current] += as_of - known[current]
            entered.add(current)
        g.end = known.get(4, as_of)
    if g.assumed:
        null.add(0)
    g.unattributed += sum(spent[i] for i in null)
    g.phase = [None if i in null or i not in entered else spent[i] for i in range(4)]
    g.elapsed = g.end - g.clock
    g.active = sum(x for x in g.phase if x is not None) + g.unattributed
    if g.flag == "invalid":
        g.active, g.phase, g.unattributed = g.elapsed, [None] * 4, g.elapsed
    g.cohort_at = g.clock


def exclude(g):
    """The reason why an incident is no sample, or None; the first that applies (38)."""
    if g.duplicate_of:
        return "duplicate"
    if g.drill:
        return "drill"
    if g.cancelled:
        return "cancelled"
    if not g.production:
        return "not_production"
    if g.clock is None:
        return "no_start"
    return "negative" if g.active < 0 else None


def link(g, deployments, by_id, p):
    """(method, deployment id) of what caused an incident (18)."""
    if g.cause_deployment_id:
        return "explicit", g.cause_deployment_id
    end = END if g.censored or g.clock is None else g.end
    ended = [b for b in g.ties if b.grade == "explicit" and b.live_at is not None and b.live_at <= end]
    if ended:
        found = max(ended, key=lambda b: (b.live_at, b.id)).failed_deployment_id
        if found:
            return "rollback", found
    if g.clock is None or g.drill:
        return "none", None
    near = [d for d in deployments if d.live and not d.drill and d.service in g.services
            and (d.environment == g.environment if g.environment else d.production)
            and g.clock - p["link_window"] <= d.live_at <= g.clock]
    newest = max(near, key=lambda d: key(d.live), default=None)
    if newest is None or newest.cls in ("rollback", "restart"):
        return "none", None
    return "inferred", newest.id


# Outcome of rollbacks ------------------------------------------------------------------------------------------------


def verify_rollback(b, verifications, p):
    """Sets `verified_at` and the checks after live (21, 39)."""
    since = b.live_at
    b.checks = [r for r in verifications if r.get("rollback_id") == b.id and r.get("check_stage") != "pre"
                and since is not None and at(r) >= since]
    said = [r for r in b.rows if r["phase"] == "verified" and since is not None and at(r) >= since]
    failed = max((key(r) for r in b.checks if r["phase"] == "failed"), default=(-END,))
    passed = [r for r in b.checks if r["phase"] == "passed" and key(r) > failed]
    said = [r for r in said if key(r) > failed]
    b.passes = sorted(said + passed, key=key)
    row = (said or passed or [None])[0]
    b.verified_at = at(row) if row else None if b.hold_at is None else b.hold_at + p["hold"]


def effective(b, rollbacks, deployments, as_of, p):
    """`effective_outcome`, the first rule that applies (21)."""
    others = [o for o in rollbacks if o is not b and o.drill == b.drill and o.execution != "cancelled"]
    same_slot = [o for o in others if set(o.slots) & set(b.slots)]
    if b.execution != "succeeded":
        later = any(key(o.begin) > key(b.begin) for o in same_slot)
        return "superseded" if b.execution == "pending" and later else b.execution
    live, within = b.live_at, b.live_at + p["relapse_window"]
    deadline = live + p["verify_deadline"] + p["hold"]
    relapses = [at(o.begin) for o in (same_slot if b.incident is None else
                                      [o for o in others if o.incident and o.incident.base == b.incident.base])]
    if b.incident:
        relapses += [t for t, kind in b.incident.cuts if kind == "reopened"]
        relapses += [at(d.begin) for d in deployments if d.cls == "fix_forward" and d.drill == b.drill
                     and d.incident_id == b.incident.base]
    if any(live < t <= within for t in relapses):
        return "failed"
    failed = [r for r in b.checks if r["phase"] == "failed" and at(r) <= deadline]
    if failed and not any(key(r) > key(failed[-1]) for r in b.passes):
        return "failed"
    if b.verified_at is not None and b.verified_at > deadline:
        return "failed"
    if as_of < within or (b.verified_at is None and as_of < deadline):
        return "pending"
    if b.verified_at is not None:
        return "succeeded"
    return "failed" if b.sli_data else "unverified"


# All of it -----------------------------------------------------------------------------------------------------------


def world(rows, as_of, p):
    """Every entity at `as_of`."""
    visible = [r for r in rows if r["recorded_at"] <= as_of]
    facts = facts_of(visible)
    identity, of_text = identities(facts)
    rollbacks = rollback_rows(facts)
    deployments = deployments_of(facts, rollbacks, identity, of_text)
    histories = classify(deployments)
    add_unnamed(rollbacks, deployments)
    series, verifications = samples_of(facts), [r for r in facts if r["kind"] == "verification"]
    for b in rollbacks.values():
        mark_rollback(b, deployments, histories, identity, of_text, as_of)
        recover(b, series, as_of, p)
        verify_rollback(b, verifications, p)
    all_rollbacks = sorted(rollbacks.values(), key=lambda b: b.id)
    incidents = {i: generations_of(i, rs, p) for i, rs in
                 grouped([r for r in facts if r["kind"] == "incident"], "incident_id").items()}
    for b in all_rollbacks:
        b.grade, b.incident = tie(b, incidents)
        if b.incident:
            b.incident.ties.append(b)
    every = [g for gs in incidents.values() for g in gs]
    for g in every:
        root = root_of(g, incidents)
        if g.duplicate_of and root in incidents and root != g.base:
            parent = generation_at(incidents[root], g.open_from if g.open_from is not None else END)
            parent.children.append(g)
    for g in every:
        names = {b.id for b in g.ties}
        failures = [r for r in verifications if r["phase"] == "failed" and r.get("check_stage") != "pre"
                    and (r.get("rollback_id") in names or (r.get("incident_id") == g.base and in_generation(r, g, incidents)))]
        g.closed_at, g.cohort_at = None, at(g.rows[0])
        solve(g, failures, as_of, p)
        g.excluded = exclude(g)
    by_id = {d.id: d for d in deployments}
    for g in every:
        g.link_method, g.cause = link(g, deployments, by_id, p)
    for b in all_rollbacks:
        b.effective = effective(b, all_rollbacks, deployments, as_of, p)
    return Thing(facts=facts, visible=visible, deployments=deployments, histories=histories, rollbacks=all_rollbacks,
                 incidents=every, as_of=as_of, by_id=by_id, p=p)


def in_generation(r, g, incidents):
    return generation_at(incidents[g.base], at(r)) is g


# Numbers -------------------------------------------------------------------------------------------------------------


def rounded(value, places=0):
    """Half to even: whole numbers as int, else a decimal with six places as text (32)."""
    if places == 0:
        return round(Fraction(value))
    scaled = round(Fraction(value) * 10 ** places)
    return str(Decimal(scaled).scaleb(-places).quantize(Decimal(1).scaleb(-places)))


def rank_quantile(values, percent):
    """Type 1: the value of rank ⌈p·n⌉; None when n·(1 − p) < 1 (24)."""
    n = len(values)
    if n * (100 - percent) < 100:
        return None
    return sorted(values)[-(-percent * n // 100) - 1]


def km_quantile(ended, censored, percent):
    """The least t with S(t) ≤ 1 − p; ends come before censorings of the same time (24)."""
    if (len(ended) + len(censored)) * (100 - percent) < 100:
        return None
    alive, at_risk = Fraction(1), len(ended) + len(censored)
    for t in sorted(set(ended) | set(censored)):
        deaths = ended.count(t)
        alive *= 1 - Fraction(deaths, at_risk)
        if deaths and alive <= Fraction(100 - percent, 100):
            return t
        at_risk -= deaths + censored.count(t)
    return None  # not reached


def wilson(k, n):
    getcontext().prec = 60
    z, k, n = Decimal("1.959963984540054"), Decimal(k), Decimal(n)
    middle, spread = k + z * z / 2, z * (k * (n - k) / n + z * z / 4).sqrt()
    places = Decimal("0.000001")
    low, high = (middle - spread) / (n + z * z), (middle + spread) / (n + z * z)
    return [str(max(Decimal(0), min(Decimal(1), x)).quantize(places, ROUND_HALF_EVEN)) for x in (low, high)]


def durations(samples):
    """Statistics of samples with `value`, `censored` and `excluded` (reason or None)."""
    counted = [s for s in samples if not s.excluded]
    ended, censored = [[s.value for s in counted if s.censored == c] for c in (False, True)]
    row = {"n": len(ended), "censored": len(censored), **excluded_by(samples),
           "mean": rounded(Fraction(sum(ended), len(ended))) if ended else None, "max": max(ended, default=None)}
    row.update({f"p{q}": rank_quantile(ended, q) for q in (50, 90, 95, 99)})
    row.update({f"km_p{q}": km_quantile(ended, censored, q) for q in (50, 90)})
    return row


def excluded_by(samples):
    reasons = defaultdict(int)
    for s in samples:
        if s.excluded:
            reasons[s.excluded] += 1
    return {"excluded": sum(reasons.values()), "excluded_by": dict(sorted(reasons.items()))}


def proportion(samples):
    """A ratio over samples with `hit` and `excluded`."""
    counted = [s for s in samples if not s.excluded]
    k, n = sum(s.hit for s in counted), len(counted)
    low, high = wilson(k, n) if n else (None, None)
    return {"numerator": k, "denominator": n, "value": rounded(Fraction(k, n), 6) if n else None,
            "ci_low": low, "ci_high": high, **excluded_by(samples)}


def sample(services, environment, excluded=None, **more):
    return Thing(services=[s or "" for s in services] or [""], environment=environment or "", excluded=excluded, **more)


def table(metric, samples, measure, **dimension):
    """Rows of one metric: total, by service, by environment and by both; an unknown one has no row of its own."""
    COMPUTED.add((metric, next(iter(dimension), None)))
    cells = defaultdict(list)
    for s in samples:
        for service in {None, *(x or None for x in s.services)}:
            for environment in {None, s.environment or None}:
                cells[service, environment].append(s)
    return [{"metric": metric, "service": service, "environment": environment,
             "dimension": next(iter(dimension), None), "dimension_value": next(iter(dimension.values()), None),
             **measure(members)} for (service, environment), members in cells.items()]


# Metrics -------------------------------------------------------------------------------------------------------------


def inside(t, window):
    return t is not None and window[0] <= t < window[1]


def incident_metrics(w, window):
    cohort = [g for g in w.incidents if inside(g.cohort_at, window)]

    def samples(value, excluded=lambda g: g.excluded, censored=lambda g: g.censored):
        return [sample(g.services, g.environment, excluded(g), value=value(g), censored=censored(g)) for g in cohort]

    yield from table("mttr", samples(lambda g: g.active), durations)
    yield from table("mttr_elapsed", samples(lambda g: g.elapsed), durations)
    for i, phase in enumerate(("detect", "decide", "act", "verify")):
        for name, missing, present in (("mttr_phases", "incomplete", lambda g: None not in g.phase),
                                       ("mttr_phases_available", "missing", lambda g: g.phase[i] is not None)):
            def left_out(g):
                return g.excluded or ("open" if g.censored else "invalid" if g.flag == "invalid" else
                                      None if present(g) else missing)
            stats = ("n", "excluded", "excluded_by", "mean", "max", "p50", "p90")
            yield from table(name, samples(lambda g: g.phase[i], left_out),
                             lambda m: {k: v for k, v in durations(m).items() if k in stats}, phase=phase)

    def not_detectable(g):
        return g.excluded or ("invalid" if g.flag == "invalid" else "assumed" if g.assumed else
                              "undetected" if g.phase[0] is None else None)

    yield from table("mttd", samples(lambda g: g.phase[0],
                                     excluded=not_detectable, censored=lambda g: g.detected is None), durations)
    yield from table("incident_to_rollback_share", [
        sample(g.services, g.environment, g.excluded, hit=bool(g.ties)) for g in cohort], proportion)
    closed = [g for g in w.incidents if inside(g.closed_at, window)]
    yield from table("postmortems_on_time", [
        sample(g.services, g.environment, g.excluded or (None if g.closed_at + w.p["postmortem_deadline"] <= w.as_of
               else "immature"), hit=on_time(g, w)) for g in closed], proportion)


def on_time(g, w):
    """Whether a postmortem of the incident was published in time (29)."""
    rows = [r for r in w.facts if r["kind"] == "postmortem"]
    of = {latest(rs, "incident_id"): rs for rs in grouped(rows, "postmortem_id").values()}
    published = [at(r) for r in of.get(g.base, []) if r["phase"] == "published"]
    return any(g.cohort_at <= t <= g.closed_at + w.p["postmortem_deadline"] for t in published)


def rollback_exclusion(b):
    if b.drill:
        return "drill"
    if b.execution == "cancelled":
        return "cancelled"
    return None if b.production else "not_production"


def rollback_metrics(w, window):
    cohort = [b for b in w.rollbacks if inside(at(b.begin), window)]

    def samples(**fields):
        return [sample([b.service], b.environment, rollback_exclusion(b), **{k: f(b) for k, f in fields.items()})
                for b in cohort]

    effective_samples = samples(outcome=lambda b: b.effective, hit=lambda b: b.effective == "succeeded")
    judged = ("succeeded", "failed", "partial")
    for s in effective_samples:
        s.excluded = s.excluded or (None if s.outcome in judged else s.outcome)
    yield from table("rollback_effective_success_rate", effective_samples, proportion)
    for bound in ("lowest", "highest"):
        both = [Thing(**vars(s)) for s in effective_samples]
        for s in both:
            if s.excluded == "unverified":
                s.excluded, s.hit = None, bound == "highest"
        yield from table("rollback_effective_success_rate", both, proportion, bound=bound)
    executed = samples(outcome=lambda b: b.execution, hit=lambda b: b.execution == "succeeded")
    for s in executed:
        s.excluded = s.excluded or (None if s.outcome in judged else s.outcome)
    yield from table("rollback_execution_success_rate", executed, proportion)
    for name, since, reason in (("exposure", lambda b: b.bad_live, "no_blame"),
                                ("response", lambda b: b.incident and b.incident.detected, "no_detection"),
                                ("execution", lambda b: at(b.started), "no_start")):
        yield from table(f"time_to_rollback_{name}", [timed(b, since(b), reason, w.as_of) for b in cohort], durations)
    mine = [s for s in samples(hit=lambda b: b.incident is None) if not s.excluded]
    yield from table("silent_rollbacks", mine, lambda m: {"value": rounded(sum(s.hit for s in m), 6)})
    yield from table("slo_recovery_time", [recovery(b, w) for b in cohort], durations)


def timed(b, since, reason, as_of):
    """One sample of a time to roll back (19, 20)."""
    end = b.live_at
    if end is None:
        end = as_of if b.execution == "pending" else b.stopped_at
    excluded = rollback_exclusion(b) or (reason if since is None or end is None else None)
    value = None if excluded else end - since
    excluded = excluded or ("negative" if value < 0 else None)
    return sample([b.service], b.environment, excluded, value=value, censored=b.live_at is None)


def recovery(b, w):
    """Going live → start of the hold, censored at the deadline or at `as_of` (34)."""
    excluded = rollback_exclusion(b) or ("not_live" if b.live_at is None else None if b.sli_data else "no_data")
    deadline = w.p["verify_deadline"]
    value, censored = None, False
    if not excluded:
        value, censored = (b.hold_at - b.live_at, False) if b.hold_at is not None else (min(deadline, w.as_of - b.live_at), True)
    return sample([b.service], b.environment, excluded, value=value, censored=censored)


def deployment_metrics(w, window):
    mine = [d for d in w.deployments if d.production and not d.drill]
    live = [d for d in mine if d.live and inside(d.live_at, window)]
    changes = [d for d in live if d.cls in CHANGES]
    days = Fraction(window[1] - window[0], DAY)
    frequency = lambda m: {"numerator": len(m), "value": rounded(len(m) / days, 6)}  # noqa: E731
    yield from table("deployment_frequency", [sample([d.service], d.environment) for d in changes], frequency)
    yield from table("lead_time", [lead(d) for d in changes if d.cls != "reapply"], durations)
    failures = failure_times(w)

    def failed(d):
        horizon = d.live_at + w.p["failure_horizon"]
        return sample([d.service], d.environment, None if horizon <= w.as_of else "immature",
                      hit=any(t <= horizon for t in failures[d.id]))

    yield from table("change_failure_rate", [failed(d) for d in changes], proportion)
    begun = [d for d in mine if d.cls in CHANGES and inside(at(d.begin), window)]
    yield from table("failed_to_deploy_rate", [
        sample([d.service], d.environment, None if d.outcome != "in_progress" else "in_progress", hit=d.live is None)
        for d in begun], proportion)
    verdicts = [(d, cooldown_verdict(d, w)) for d in begun]
    yield from table("cooldown_violations", [
        sample([d.service], d.environment, "allowed_exception" if v == "allowed" else None, hit=v == "violation")
        for d, v in verdicts], proportion)
    yield from table("reapply_without_rca", [
        sample([d.service], d.environment, "backfilled" if v == "backfilled" else None, hit=v == "violation")
        for d, v in reapplies(w, mine, window)], proportion)
    yield from table("failed_deployment_recovery_time", [
        s for d in changes for s in [deployment_recovery(d, w)] if s], durations)


def lead(d):
    if d.committed_at is None:
        return sample([d.service], d.environment, "no_commit_time")
    value = d.live_at - d.committed_at
    return sample([d.service], d.environment, "negative" if value < 0 else None, value=value, censored=False)


def failure_times(w):
    """deployment id → times of its failures, by blame and by linked incident (25)."""
    times = defaultdict(list)
    for b in w.rollbacks:
        if not b.drill and b.execution != "cancelled":
            for d in b.blamed.values():
                times[d.id].append(at(b.begin))
    for g in w.incidents:
        if not g.excluded and g.cause:
            times[g.cause].append(g.clock)
    return times


def deployment_recovery(d, w):
    """Live → last end of the incidents that are linked explicitly or by rollback (41)."""
    caused = [g for g in w.incidents if g.cause == d.id and not g.excluded and g.link_method in ("explicit", "rollback")]
    if not caused:
        return None
    censored = any(g.censored for g in caused)
    value = (w.as_of if censored else max(g.end for g in caused)) - d.live_at
    return sample([d.service], d.environment, "negative" if value < 0 else None, value=value, censored=censored)


def slot_rollbacks(w, slot, before):
    """(time live in the slot, rollback) of production rollbacks of a slot that were live before a row, in order."""
    found = [(key(b.slot_live[slot]), b.id, b) for b in w.rollbacks
             if slot in b.slot_live and not b.drill and b.execution != "cancelled" and key(b.slot_live[slot]) < key(before)]
    return [(k[0], b) for k, _, b in sorted(found, key=lambda x: x[:2])]


def cooldown_verdict(d, w):
    """`violation`, `allowed`, or None when the deployment began late enough after its slot's last rollback."""
    done = slot_rollbacks(w, d.slot, d.begin)
    if not done or at(d.begin) - done[-1][0] >= w.p["cooldown"]:
        return None
    b = done[-1][1]
    linked = d.incident_id and d.incident_id in (b.incident_id, b.incident and b.incident.base)
    return "allowed" if d.cls == "fix_forward" and linked and approved(d, w) else "violation"


def approved(d, w):
    """Whether the last decision before the start stands (37)."""
    rows = [r for r in w.facts if r["kind"] == "approval"]
    named = grouped(rows, "approval_id")
    groups = list(named.values()) + [[r] for r in rows if "approval_id" not in r]
    loose, decided = [], []
    for rs in groups:
        same = (latest(rs, "deployment_id") == d.id if latest(rs, "deployment_id") else
                d.change_id is not None and latest(rs, "change_id") == d.change_id)
        digest = latest(rs, "artifact_digest")
        if same and not (digest and d.artifact_digest and digest != d.artifact_digest):
            (decided.append(rs) if "approval_id" in rs[0] else loose.extend(rs))
    decided += [loose] if loose else []
    for rs in decided:
        made = [r for r in rs if r["phase"] != "requested" and key(r) < key(d.begin)]
        expires = latest(made, "expires_at")
        if made and made[-1]["phase"] == "approved" and (expires is None or expires > at(d.begin)):
            return True
    return False


def reapplies(w, deployments, window):
    """(deployment, verdict) of versions that are deployed again after they were rolled back (28, 35)."""
    for d in deployments:
        if inside(at(d.begin), window) and d.cls not in ("rollback", "restart"):
            done = [(t, b) for t, b in slot_rollbacks(w, d.slot, d.begin)
                    if d.slot in b.blamed and b.blamed[d.slot].identity == d.identity]
            if done:
                yield d, rca_verdict(d, *done[-1], w)


def rca_verdict(d, since, b, w):
    rows = [r for r in w.facts if r["kind"] == "postmortem"]
    evidence = [r for r in w.facts if r["kind"] == "override" and r["phase"] == "used" and r.get("approver")
                and r.get("deployment_id") == d.id]
    for rs in grouped(rows, "postmortem_id").values():
        names = {latest(rs, "rollback_id"), latest(rs, "incident_id")} - {None}
        if names & {b.id, b.incident.base if b.incident else b.incident_id}:
            evidence += [r for r in rs if r["phase"] in ("published", "reviewed") and at(r) > since]
    timely = [r for r in evidence if at(r) < at(d.begin)]
    if any(r["recorded_at"] < at(d.begin) and not is_backfilled(r, w) for r in timely):
        return "understood"
    return "backfilled" if any(is_backfilled(r, w) for r in timely) else "violation"  # late evidence does not help


def is_backfilled(r, w):
    pushes = [x["recorded_at"] for x in w.visible if x["source"] == r["source"] and x.get("ingest_mode") == "push"]
    return r.get("ingest_mode") in ("file", "poll") and (not pushes or at(r) < min(pushes))


def oscillation_metrics(w, window):
    live, flips, cycles, episodes = [], [], [], []
    for slot, history in w.histories.items():
        if not history[0].deployment.production:
            continue
        spotted = [k for k in range(2, len(history)) if is_flip(history, k, w.p["oscillation_window"])]
        inner = set()
        for run in runs(spotted):
            if len(run) >= 2:
                inner |= set(range(run[0] - 2, run[-1] + 1))
                episodes.append(history[run[0]])
        flips += [history[k] for k in spotted]
        cycles += [history[k] for k in range(3, len(history)) if is_cycle(history, k, w.p["oscillation_window"])]
        live += [(h, k in inner) for k, h in enumerate(history)]
    live = [(h, hit) for h, hit in live if not h.drill and inside(h.live_from, window)]
    where = lambda h: ([h.slot[0]], h.slot[1])  # noqa: E731
    marked = [sample(*where(h), hit=hit, episode=h in episodes, flip=h in flips, cycle=h in cycles) for h, hit in live]
    yield from table("oscillation_share", marked, proportion)
    yield from table("oscillation_rate", marked, lambda m: {
        "numerator": sum(s.episode for s in m), "denominator": len(m),
        "value": rounded(Fraction(100 * sum(s.episode for s in m), len(m)), 6)})
    for kind in ("flip", "cycle"):
        yield from table("oscillation_flips", marked,
                         lambda m: {"value": rounded(sum(getattr(s, kind) for s in m), 6)}, kind=kind)


def is_flip(h, k, within):
    """A return over one other version (27)."""
    return h[k].identity == h[k - 2].identity and h[k].live_from - h[k - 1].live_from <= within \
        and not (h[k].drill or h[k - 1].drill)


def is_cycle(h, k, within):
    """A return over several other versions (27)."""
    earlier = [j for j in range(k) if h[j].identity == h[k].identity]
    return bool(earlier) and earlier[-1] < k - 2 and h[k].live_from - h[earlier[-1] + 1].live_from <= within \
        and not (h[k].drill or h[k - 1].drill)


def runs(numbers):
    """Maximal runs of consecutive numbers."""
    out = []
    for n in numbers:
        if out and out[-1][-1] == n - 1:
            out[-1].append(n)
        else:
            out.append([n])
    return out


def drill_metrics(w, window):
    done, overdue = [], []
    for rows in grouped([r for r in w.facts if r["kind"] == "drill"], "drill_id").values():
        due, completed = latest(rows, "due_at"), at(first(rows, "completed"))
        if inside(due, window) and not first(rows, "cancelled"):
            late = completed is None or completed > due
            place_ = [latest(rows, "service")], latest(rows, "environment")
            done.append(sample(*place_, None if due <= w.as_of or not late else "not_yet_due", hit=not late))
            overdue.append(sample(*place_, hit=late and due <= w.as_of))
    yield from table("drills_done_on_time", done, proportion)
    yield from table("drills_overdue", overdue, lambda m: {"value": rounded(sum(s.hit for s in m), 6)})


def metrics_of(w, window):
    rows = []
    for part in (incident_metrics, rollback_metrics, deployment_metrics, oscillation_metrics, drill_metrics):
        rows += part(w, window)
    return sorted(rows, key=row_key)


def row_key(row):
    names = ("metric", "service", "environment", "dimension", "dimension_value")
    return tuple("" if row.get(n) is None else f"{n[:3]}={row[n]}" for n in names)


# Entities, comparison, command line ----------------------------------------------------------------------------------


def entities_of(w):
    deployments = [{"deployment_id": d.id, "service": d.service, "environment": d.environment, "region": d.region,
                    "version_identity": d.identity, "class": d.cls, "outcome": d.outcome, "live_at": d.live_at,
                    "started_at": at(d.started), "drill": d.drill} for d in w.deployments]
    history = [{"service": h.slot[0], "environment": h.slot[1], "region": h.slot[2], "position": h.position,
                "version_identity": h.identity, "live_from": h.live_from, "live_to": h.live_to,
                "deployment_id": h.deployment.id} for hs in w.histories.values() for h in hs]
    rollbacks = [{"rollback_id": b.id, "service": b.service, "environment": b.environment, "incident_id":
                  b.incident and b.incident.id, "tie": b.grade, "failed_deployment_id": b.failed_deployment_id,
                  "decided_at": at(b.decided), "started_at": at(b.started), "live_at": b.live_at, "verified_at":
                  b.verified_at, "execution_outcome": b.execution, "effective_outcome": b.effective} for b in w.rollbacks]
    incidents = [{"incident_id": g.id, "service": g.service, "started_at": g.start, "started_assumed": g.assumed,
                  "detected_at": g.detected, "detect_us": g.phase[0], "decide_us": g.phase[1], "act_us": g.phase[2],
                  "verify_us": g.phase[3], "unattributed_us": g.unattributed, "active_us": g.active,
                  "elapsed_us": g.elapsed, "censored": g.censored, "order_flag": g.flag, "excluded_by": g.excluded,
                  "closed_at": g.closed_at, "link_method": g.link_method, "cause": g.cause,
                  "passes": len(g.passes), "ties": sorted(b.id for b in g.ties)} for g in w.incidents]
    return {"deployments": deployments, "slot_history": history, "rollbacks": rollbacks, "incidents": incidents}


def compare(ours, lines):
    """What differs between our rows and the product's, one text for each field."""
    theirs = {row_key(r): r for r in lines}
    mine = {row_key(r): r for r in ours}
    for k, row in mine.items():
        if k not in theirs:
            yield f"{label(k)}: only here: {({n: v for n, v in row.items() if v not in (None, 0, {})})}"
            continue
        for name in row.keys() - {"metric", "service", "environment", "dimension", "dimension_value"}:
            if plain(row[name]) != plain(theirs[k].get(name)) and (name != "excluded" or row[name] or theirs[k][name]):
                yield f"{label(k)}: {name}: here {row[name]}, there {theirs[k].get(name)}"
    for k, row in theirs.items():
        if k not in mine and (row["metric"], row.get("dimension")) in COMPUTED and any(
                plain(row.get(n)) for n in ("n", "censored", "excluded", "numerator", "denominator", "value")):
            yield f"{label(k)}: only there"


def plain(value):
    """A value without its way of writing: 0.5 = "0.500000"; an empty map and nothing are the same."""
    if isinstance(value, list):
        value = {e["key"]: e["value"] for e in value}
    if isinstance(value, (dict, type(None))):
        return {k: v for k, v in (value or {}).items() if v} or None
    return Decimal(str(value)).normalize()


def label(k):
    return " ".join(k[:1] + tuple(x for x in k[1:] if x))


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", help="canonical events, one a line, in order of seq; - for stdin")
    parser.add_argument("--as-of")
    parser.add_argument("--from", dest="start")
    parser.add_argument("--to", dest="end")
    parser.add_argument("--tz", default="UTC", type=ZoneInfo)
    parser.add_argument("--param", action="append", default=[], metavar="NAME=MICROSECONDS")
    parser.add_argument("--compare", metavar="METRICS.NDJSON")
    parser.add_argument("--entities", action="store_true", help="print the entities, not the metrics")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    p = PARAMETERS | {n: int(v) for n, v in (x.split("=") for x in args.param)}
    with (sys.stdin if args.events == "-" else open(args.events, encoding="utf-8")) as lines:
        rows = read(lines)
    theirs = []
    if args.compare:
        with open(args.compare, encoding="utf-8") as lines:
            theirs = [json.loads(line) for line in lines]
        args.as_of, args.start, args.end = (theirs[0][n] for n in ("as_of", "window_start", "window_end"))
    as_of = micros(args.as_of) if args.as_of else [r["recorded_at"] for r in rows if r["kind"] != "ledger"][-1]
    window = last_month(as_of, args.tz)
    window = [local_midnight(t, args.tz) if t else w for t, w in zip((args.start, args.end), window)]
    w = world(rows, as_of, p)
    ours = metrics_of(w, window)
    if not args.compare:
        print(json.dumps(entities_of(w) if args.entities else ours, indent=1))
        return 0
    differences = list(compare(ours, theirs))
    print("\n".join(differences) or f"{len(ours)} rows, no difference")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())

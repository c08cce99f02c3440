# Every command that a person or the build machine runs.

# The whole main job on the bundled samples.
demo:
    cargo run -- demo

# All tests that need only Rust.
test:
    cargo test --workspace

# Checks that need Python, Go, Node and a mount namespace; .ci/run installs them.
test-more: demo
    docs/verify_ledger.sh backtrail-demo/ledger backtrail-demo/vkey
    tests/more/verify_tiles.sh target/debug/backtrail backtrail-demo/ledger backtrail-demo/vkey
    npx html-validate --config tests/more/html-validate.json backtrail-demo/reports/*/*.html
    target/debug/backtrail export events --ledger backtrail-demo/ledger > backtrail-demo/events.ndjson
    tests/more/verify_vault.py backtrail-demo/ledger backtrail-demo/events.ndjson
    target/debug/backtrail metrics --ledger backtrail-demo/ledger --period 2026-Q3 --format ndjson > backtrail-demo/metrics.ndjson
    tests/more/second_opinion.py backtrail-demo/events.ndjson --compare backtrail-demo/metrics.ndjson
    tests/more/full_disk.sh target/debug/backtrail
    tests/more/full_disk_intake.sh target/debug/backtrail
    tests/more/curl.sh target/debug/backtrail
    tests/more/strace.sh target/debug/backtrail
    tests/more/witness.sh target/debug/backtrail target/tools

# What a reviewer asks for first.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Licences and advisories of every dependency (needs cargo-deny).
deny:
    cargo deny check

# Writes the files that are made from tables in the code.
generate:
    cargo run -p backtrail-tests --example generate

# What the ledger does in a second beside the disk and the processor (needs openssl), or what `intake` does (needs wrk).
bench what events="1000000":
    {{ if what == "intake" { "cargo build --release && tests/more/bench_intake.sh target/release/backtrail" } else { "cargo run --release -p backtrail-" + what + " --example bench -- all target/bench " + events } }}

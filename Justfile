# Every command that a person or the build machine runs.

# The whole main job on the bundled samples.
demo:
    cargo run -- demo

# All tests that need only Rust.
test:
    cargo test --workspace

# Tests that need Python, Node and a mount namespace (see .ci/run for what they need).
test-more: demo
    docs/verify_ledger.sh backtrail-demo/ledger backtrail-demo/vkey
    tests/html.sh backtrail-demo/reports
    tests/full_disk.sh

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

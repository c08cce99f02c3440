//! warm
fn main() {
    let _ = backtrail_ledger::sha256(b"x");
}

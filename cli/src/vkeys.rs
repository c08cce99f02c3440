//! Public keys from the command line: the key text itself, or a file that holds it.

use std::path::Path;

use backtrail_ledger::{Algorithm, Vkey};

use crate::exit::{Failure, USAGE, unreadable};

/// Reads one public key per line of `given`, which is the text itself or a file's path.
pub(crate) fn read(given: &str) -> Result<Vec<Vkey>, Failure> {
    let path = Path::new(given);
    let text = if path.is_file() {
        std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?
    } else {
        given.to_owned()
    };
    let keys: Result<Vec<Vkey>, _> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.trim().parse())
        .collect();
    match keys {
        Ok(keys) if keys.iter().any(|key| key.algorithm() != Algorithm::Ed25519) => {
            Err(wrong(given, "a witness's key is no log's; name witnesses with --policy"))
        }
        Ok(keys) if !keys.is_empty() => Ok(keys),
        Ok(_) => Err(wrong(given, "there is no key in it")),
        Err(error) => Err(wrong(given, &error.to_string())),
    }
}

fn wrong(given: &str, why: &str) -> Failure {
    Failure::new(USAGE, format_args!("`{given}` is neither a file nor a public key: {why}"))
        .hint("a key looks like `name+0a1b2c3d+AX…`; `backtrail init` printed it and wrote it to LEDGER.vkey")
}

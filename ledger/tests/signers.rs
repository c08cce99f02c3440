//! Signers that are commands, files with several keys, and the keys and signatures that the strict rules refuse.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use backtrail_ledger::key::sign_note;
use backtrail_ledger::{ExternalSigner, FileSigner, Kind, Note, Signer, Vkey};
use data_encoding::{BASE64, HEXLOWER};

const NAME: &str = "ledger.example/test";

fn key(n: u8) -> FileSigner {
    FileSigner::from_seed(NAME, &[n; 32]).unwrap()
}

/// A signer that is the shell `script`.
fn shell(script: &str) -> ExternalSigner {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    ExternalSigner::new(key(7).vkey().clone(), command).unwrap().timeout_ms(2_000)
}

#[test]
fn a_command_signs() {
    let signature = BASE64.encode(&key(7).sign(b"text\n").unwrap());
    for script in [
        format!("cat > /dev/null; echo {signature}"),
        format!("printf %s {signature}"),
        // What it gets are the exact bytes.
        format!("test \"$(od -An -c | tr -d ' ')\" = 'text\\n' && echo {signature}"),
    ] {
        let made = shell(&script).sign(b"text\n");
        assert_eq!(made.unwrap(), key(7).sign(b"text\n").unwrap(), "{script}");
    }
    let note = sign_note("text\n".into(), &[&shell(&format!("echo {signature}"))]).unwrap();
    assert!(note.open(&[key(7).vkey().clone()]).is_ok());
}

#[test]
fn a_command_that_does_not_sign_is_not_believed() {
    let signature = BASE64.encode(&key(7).sign(b"text\n").unwrap());
    let others = BASE64.encode(&key(8).sign(b"text\n").unwrap());
    for script in [
        "true".to_owned(),
        format!("echo {signature}; exit 1"),
        format!("echo {others}"),
        format!("echo {signature}; echo"),
        format!("echo ' {signature}'"),
        format!("echo {}", &signature[..86]),
        "echo nonsense".to_owned(),
        "yes".to_owned(),
        "kill -9 $$".to_owned(),
    ] {
        assert_eq!(shell(&script).sign(b"text\n").err().unwrap().kind(), Kind::Retry, "{script}");
    }
    for script in ["exec sleep 60", "exec >&-; sleep 60", "exec sleep 60 < /dev/null"] {
        let signed = shell(script).timeout_ms(100).sign(&vec![b'x'; 1 << 20]);
        assert!(signed.err().unwrap().to_string().contains("100 ms"), "{script}");
    }
    let missing = ExternalSigner::new(key(7).vkey().clone(), vec!["/nowhere/signer".into()]);
    assert_eq!(missing.unwrap().sign(b"").err().unwrap().kind(), Kind::Retry);
    for empty in [vec![], vec![String::new()]] {
        assert!(ExternalSigner::new(key(7).vkey().clone(), empty).is_err());
    }
}

/// Where OpenSSL 3 is there, three lines of shell are a signer.
#[test]
fn openssl_signs() {
    let version = Command::new("openssl").arg("version").output();
    if !version.is_ok_and(|v| String::from_utf8_lossy(&v.stdout).starts_with("OpenSSL 3")) {
        return;
    }
    // PKCS #8 of an Ed25519 seed (RFC 8410, section 7) is a fixed prefix and the seed.
    let folder = tempfile::tempdir().unwrap();
    let prefix = HEXLOWER.decode(b"302e020100300506032b657004220420").unwrap();
    let pem = BASE64.encode(&[&prefix[..], &[7; 32]].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
    fs::write(folder.path().join("key.pem"), pem).unwrap();
    let dir = folder.path().display();
    let script = format!(
        "cat > {dir}/in && openssl pkeyutl -sign -rawin -inkey {dir}/key.pem -in {dir}/in | base64 -w0"
    );
    let made = shell(&script).timeout_ms(20_000).sign(b"text\n").unwrap();
    assert_eq!(made, key(7).sign(b"text\n").unwrap());
}

#[test]
fn a_key_file_has_a_key_in_each_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    key(7).save(&path).unwrap();
    assert!(key(8).save(&path).is_err(), "never overwritten");
    FileSigner::save_all(&[key(7), key(8)], &path).unwrap();
    let keys: Vec<Vkey> =
        FileSigner::load_all(&path).unwrap().iter().map(|k| k.vkey().clone()).collect();
    assert_eq!(keys, [key(7).vkey().clone(), key(8).vkey().clone()]);
    assert!(FileSigner::load(&path).is_err(), "which one?");
    for text in ["", "\n", "PRIVATE+KEY+x+00000000+AQ==\n"] {
        fs::write(&path, text).unwrap();
        assert!(FileSigner::load_all(&path).is_err(), "{text:?}");
    }
}

/// The points of small order, in every encoding (the kinds `low_order_A` and `non_canonical_A` of the CCTV vectors for
/// Ed25519): under such a key one signature fits many messages.
#[test]
fn keys_of_low_order_or_not_canonical_are_no_keys() {
    let low = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        // Not in canonical form: y ≥ p, or x = 0 with the sign bit.
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        // y = p + 3 is a point of large order, written as 2^255 − 16.
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for hex in low {
        let bytes: [u8; 32] = HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap();
        assert!(Vkey::new(NAME, &bytes).is_err(), "{hex}");
    }
}

/// Signatures of the kinds `low_order_R`, `non_canonical_R`, `low_order_residue` and with S ≥ L, made from a good one.
#[test]
fn signatures_that_are_not_strict_do_not_hold() {
    let good = key(7).sign(b"text\n").unwrap();
    let vkey = key(7).vkey().clone();
    assert!(vkey.verify(b"text\n", &good));
    let with_r = |hex: &str| {
        let mut signature = good;
        signature[..32].copy_from_slice(&HEXLOWER.decode(hex.as_bytes()).unwrap());
        signature
    };
    // R is the neutral point and S = k·a: the equation holds, and the lax rules accept it, whoever chose the text.
    let lax = "0100000000000000000000000000000000000000000000000000000000000000\
        49229976e4ab945a6dd22b3a1e576ee7c6c5884e7bffc29d375e7c8183f41b0e";
    let lax: [u8; 64] = HEXLOWER.decode(lax.as_bytes()).unwrap().try_into().unwrap();
    let public = BASE64.decode(vkey.to_string().rsplit_once('+').unwrap().1.as_bytes()).unwrap();
    let public = ed25519_dalek::VerifyingKey::from_bytes(public[1..].try_into().unwrap()).unwrap();
    assert!(ed25519_dalek::Verifier::verify(&public, b"text\n", &lax.into()).is_ok());
    let identity = format!("01{}", "00".repeat(31));
    let mut bad = vec![
        lax,
        with_r(&identity),
        with_r(&"00".repeat(32)),
        with_r(&format!("ec{}7f", "ff".repeat(30))),
        with_r(&format!("ee{}7f", "ff".repeat(30))),
        [0; 64],
        [0xff; 64],
    ];
    // S + L is the same scalar in another form.
    let l = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let l = HEXLOWER.decode(l.as_bytes()).unwrap();
    let (mut malleable, mut carry) = (good, 0u16);
    for (byte, add) in malleable[32..].iter_mut().zip(l) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    bad.push(malleable);
    // −R: the sign bit of R flipped.
    let mut mirrored = good;
    mirrored[31] ^= 0x80;
    bad.push(mirrored);
    for signature in bad {
        assert!(!vkey.verify(b"text\n", &signature), "{}", HEXLOWER.encode(&signature));
        let mut note = sign_note("text\n".into(), &[&key(7)]).unwrap();
        note.signatures[0].signature = signature.to_vec();
        let note: Note = note.to_string().parse().unwrap();
        assert!(note.open(std::slice::from_ref(&vkey)).is_err());
    }
}

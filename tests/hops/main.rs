//! HTTP as clients speak it, through the real binary: redirects, cookies, encodings.

#[path = "../servers/mod.rs"]
mod servers;
#[path = "../tallyho/mod.rs"]
mod tallyho;

mod bodies;
mod cookies;
mod hostile;
mod node;
mod python;
mod redirects;

use std::path::Path;

/// Every session of a run's trace, replayed by the binary, is exact.
fn assert_replays(folder: &Path) {
    let folder = folder.to_str().expect("a path in UTF-8");
    let verified = tallyho::tallyho(&["replay", folder, "--all"]);
    let text = String::from_utf8_lossy(&verified.stdout);
    assert!(
        verified.status.success() && text.contains(" exact, 0 exact as"),
        "{text}{}",
        String::from_utf8_lossy(&verified.stderr)
    );
}

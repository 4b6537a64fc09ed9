//! The house rules that a machine can check.

use std::path::{Path, PathBuf};
use std::process::Command;

const LINE_COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 800;
const BLOB_BYTES_MAX: u64 = 200 * 1024;

/// All files of the repository, tracked or about to be, relative to its root.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("git lists the files");
    let names = String::from_utf8(listed.stdout).expect("file names are text");
    let files: Vec<PathBuf> = names
        .lines()
        .map(PathBuf::from)
        .filter(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file())
        .collect();
    assert!(files.len() > 20, "git found only {} files", files.len());
    files
}

fn read(path: &Path) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    files().into_iter().filter(is_rust).map(|path| (path.clone(), read(&path))).collect()
}

/// Collects every breach, so that one run shows all of them.
fn expect_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
}

#[test]
fn lines_are_at_most_100_columns_and_files_at_most_800_lines() {
    let mut breaches = Vec::new();
    for (path, text) in rust_files() {
        for (index, line) in text.lines().enumerate() {
            if line.chars().count() > LINE_COLUMNS_MAX {
                breaches.push(format!("{}:{}: too long", path.display(), index + 1));
            }
        }
        let lines = text.lines().count();
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        if lines > FILE_LINES_MAX && !is_test {
            breaches.push(format!("{}: {lines} lines", path.display()));
        }
    }
    expect_none(&breaches);
}

#[test]
fn every_file_opens_with_what_it_is() {
    let missing = rust_files()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!") && !text.starts_with("#![no_main]"))
        .map(|(path, _)| path.display().to_string());
    expect_none(&missing.collect::<Vec<_>>());
}

#[test]
fn nothing_unfinished_is_left_behind() {
    // Spelt in two parts, so that this file does not find itself.
    let marks =
        [("db", "g!("), ("tod", "o!("), ("unimplement", "ed!("), ("#[ig", "nore"), ("FIX", "ME")];
    let mut breaches = Vec::new();
    for (path, text) in rust_files() {
        for (a, b) in marks {
            if text.contains(&format!("{a}{b}")) {
                breaches.push(format!("{}: {a}{b}", path.display()));
            }
        }
    }
    expect_none(&breaches);
}

#[test]
fn no_large_file_is_kept() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let large = files()
        .into_iter()
        .filter(|path| root.join(path).metadata().is_ok_and(|m| m.len() > BLOB_BYTES_MAX))
        .map(|path| path.display().to_string());
    expect_none(&large.collect::<Vec<_>>());
}

#[test]
fn what_decides_touches_no_socket_clock_thread_file_or_hash_map() {
    let banned = [
        "std::net",
        "std::fs",
        "std::thread",
        "std::env",
        "std::process",
        "Instant",
        "SystemTime",
        "HashMap",
        "HashSet",
        "RandomState",
        "tokio",
        "monoio",
        "getrandom",
        "thread_rng",
    ];
    let mut breaches = Vec::new();
    for (path, text) in rust_files() {
        let decides = ["replay/src", "bots/src"].iter().any(|folder| path.starts_with(folder));
        if !decides {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in banned {
                if has_word(code, word) {
                    breaches.push(format!("{}:{}: {word}", path.display(), index + 1));
                }
            }
        }
    }
    expect_none(&breaches);
}

#[test]
fn bots_of_one_s_own_are_held_to_the_lints_of_ours() {
    let lints = read(Path::new("replay/clippy.toml"));
    for copy in ["bots/clippy.toml", "examples/own-bot/clippy.toml"] {
        assert!(read(Path::new(copy)) == lints, "{copy} is not replay/clippy.toml");
    }
}

fn has_word(code: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(is_word);
        let after = code[at + word.len()..].chars().next().is_some_and(is_word);
        !before && !after
    })
}

/// Which folders of src/ a folder may use; the table in the header of src/lib.rs.
const ARROWS: &[(&str, &[&str])] = &[
    ("http", &[]),
    ("metrics", &[]),
    ("engine", &["http", "metrics"]),
    ("report", &["metrics"]),
    ("demo", &[]),
    ("config", &["units"]),
    ("s3", &[]),
    ("container", &["config", "engine", "metrics", "report", "s3"]),
];

#[test]
fn imports_follow_the_arrows_in_the_architecture() {
    let mut breaches = Vec::new();
    for (path, text) in rust_files() {
        for (folder, allowed) in ARROWS {
            if !path.starts_with(format!("src/{folder}")) {
                continue;
            }
            for other in ARROWS.iter().map(|(name, _)| name).chain(&["commands", "cli", "units"]) {
                let uses = text.contains(&format!("crate::{other}"));
                if uses && other != folder && !allowed.contains(other) {
                    breaches.push(format!("{} uses {other}", path.display()));
                }
            }
        }
    }
    expect_none(&breaches);
}

#[test]
fn only_one_file_holds_unsafe_code() {
    let unsafe_files: Vec<String> = rust_files()
        .iter()
        .filter(|(path, text)| {
            path.starts_with("src") && text.lines().any(|line| line.contains("unsafe {"))
        })
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert_eq!(unsafe_files, ["src/engine/sys.rs"]);
}

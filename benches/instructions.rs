//! How many instructions each part of a request takes: exact where wall time is noise.
//!
//! `cargo bench --profile release --bench instructions` runs the paths of `hot_paths.rs` under
//! callgrind and compares the counts with those kept in `instructions.txt`; more than a tolerance
//! above them is a failure. After a change that is meant, the same with `UPDATE_GOLDEN=1` writes
//! the file. With another compiler than the file's, counts are only printed.
//! One process of valgrind counts them all: it collects inside [`counted`] only, and writes a file
//! each time that returns.

mod paths;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Tells the process under valgrind from the one that starts it.
const COUNTING: &str = "TALLYHO_COUNTING";
/// Turns before the count: tables are filled, buffers have grown.
const WARM_UP: u32 = 30;
/// Turns that are counted. Their sum is divided, so what differs from turn to turn (a shuffle, a
/// page of a histogram) evens out.
const TURNS: u64 = 20;
/// A count may be this much above the kept one, in percent: another libc or another processor
/// copies memory with other instructions.
const TOLERANCE_PERCENT: u64 = 3;
/// And by so many instructions, for paths of a few dozen.
const TOLERANCE_LEAST: u64 = 8;

fn main() -> ExitCode {
    if std::env::var_os(COUNTING).is_some() {
        for mut path in paths::all() {
            (0..WARM_UP).for_each(|_| (path.run)());
            counted(&mut path.run);
        }
        return ExitCode::SUCCESS;
    }
    let is_installed = Command::new("valgrind").arg("--version").output().is_ok();
    if !is_installed {
        eprintln!("skipped: valgrind is not installed");
        let required = std::env::var("TALLYHO_REQUIRE_SERVERS").is_ok_and(|value| value == "1");
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    compare(&count())
}

/// The only function whose instructions are collected.
#[inline(never)]
fn counted(run: &mut dyn FnMut()) {
    for _ in 0..TURNS {
        run();
    }
}

/// Instructions of one thing done, by path.
fn count() -> BTreeMap<String, u64> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    let _not_there = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder below target/tmp");
    let out = folder.join("out");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=instructions::counted"])
        .arg("--dump-after=instructions::counted")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg("--log-file=/dev/null")
        .arg(std::env::current_exe().expect("this program has a path"))
        .env(COUNTING, "1")
        .status()
        .expect("valgrind runs");
    assert!(status.success(), "valgrind: {status}");
    let counts = paths::all().into_iter().enumerate().map(|(index, path)| {
        let total = total(&out.with_extension((index + 1).to_string()));
        (path.name, total / (TURNS * path.elements))
    });
    counts.collect()
}

/// The sum that a file of callgrind ends with.
fn total(path: &Path) -> u64 {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("callgrind left no {}: {error}", path.display()));
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "));
    line.and_then(|number| number.trim().parse().ok()).expect("a file of callgrind has totals")
}

/// What the counts depend on beside the code.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let version = version.unwrap_or_default();
    let number = version.split_whitespace().nth(1).unwrap_or("unknown");
    format!("# rustc {number}, {}", std::env::consts::ARCH)
}

/// Prints kept and counted side by side; a failure if one has become too large.
fn compare(counts: &BTreeMap<String, u64>) -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    let compiler = compiler();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text = counts.iter().fold(format!("{compiler}\n"), |mut text, (name, count)| {
            let _to_memory = writeln!(text, "{count:>8} {name}");
            text
        });
        std::fs::write(&path, text).expect("the kept counts can be written");
        return ExitCode::SUCCESS;
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let kept: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .filter_map(|(count, name)| Some((name, count.parse().ok()?)))
        .collect();
    let mut is_good = true;
    println!("{:>8} {:>8}", "kept", "now");
    for (name, &count) in counts {
        let before = kept.get(name.as_str()).copied();
        let (mark, is_as_kept) = judge(before, count);
        is_good &= is_as_kept;
        println!("{:>8} {count:>8} {name}{mark}", before.map_or("-".to_owned(), |n| n.to_string()));
    }
    for name in kept.keys().filter(|name| !counts.contains_key(**name)) {
        println!("{name} is kept and no longer counted: UPDATE_GOLDEN=1 takes it out");
        is_good = false;
    }
    let of = text.lines().next().unwrap_or_default();
    if of != compiler {
        println!("not compared: kept counts are those of `{of}`, and this is `{compiler}`");
        return ExitCode::SUCCESS;
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What there is to say about a count, and whether that is all right.
fn judge(kept: Option<u64>, count: u64) -> (&'static str, bool) {
    let Some(kept) = kept else { return ("  not kept yet: UPDATE_GOLDEN=1 writes it", false) };
    let tolerance = TOLERANCE_LEAST.max(kept * TOLERANCE_PERCENT / 100);
    match count {
        _ if count > kept + tolerance => ("  more than kept", false),
        // Better, and to be kept: the next loss would hide in the gain.
        _ if count + tolerance < kept => ("  less than kept: UPDATE_GOLDEN=1 keeps it", true),
        _ => ("", true),
    }
}

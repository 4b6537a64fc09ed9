//! What users see when a scenario is wrong, word by word.
//!
//! Each `tests/golden/diagnostics/NAME.json` is checked, and what is found compared with
//! `NAME.txt`; `UPDATE_GOLDEN=1` rewrites them.

use std::path::{Path, PathBuf};

use tallyho::config::{self, Colour, Options};

/// Relative, as tests run in the package's folder: the paths in messages are the same everywhere.
fn folder() -> PathBuf {
    PathBuf::from("tests/golden/diagnostics")
}

fn options() -> Options {
    Options { registered_bots: vec!["tallyup".into()], ..Options::default() }
}

fn findings(text: &str, name: &str) -> String {
    let found = match config::check_text(name, text, &folder(), &options()) {
        Ok(checked) => checked.findings,
        Err(findings) => findings,
    };
    found.render(Colour::Never)
}

#[test]
fn every_mistake_is_shown_as_it_was_agreed() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(files.len() > 20);
    for path in files {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        if name.starts_with("data_") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        let shown = findings(&text, &name);
        let golden = path.with_extension("txt");
        if update {
            std::fs::write(&golden, &shown).expect("writable");
        } else if std::fs::read_to_string(&golden).ok().as_ref() != Some(&shown) {
            wrong.push(format!("{name}:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "not as agreed; UPDATE_GOLDEN=1 accepts it\n{}", wrong.join("\n"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let found = config::check(Path::new("no/such.json"), &Options::default()).expect_err("absent");
    assert_eq!(
        found.render(Colour::Never),
        "error: there is no scenario file no/such.json\n\n1 error in no/such.json\n"
    );
}

#[test]
fn nothing_that_a_file_can_hold_makes_the_reader_panic() {
    let whole = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/tallyup-lite.json"),
    )
    .expect("readable");
    for cut in (0..whole.len()).step_by(97) {
        if whole.is_char_boundary(cut) {
            findings(&whole[..cut], "cut.json");
            let broken = format!("{}{}", &whole[..cut], &whole[(cut + 3).min(whole.len())..]);
            findings(&broken, "hole.json");
        }
    }
    for text in ["", " ", "null", "[]", "5", "\"x\"", "{", "{}", "\u{feff}{}", "// only a comment"]
    {
        findings(text, "odd.json");
    }
    findings(&"[".repeat(100_000), "deep.json");
    findings(&format!("{{\"steps\": {}1{}}}", "[".repeat(300), "]".repeat(300)), "deep.json");
    let nested = format!(
        "{{\"steps\": [{}{{\"get\": \"/\"}}{}]}}",
        "{\"repeat\": 2, \"steps\": [".repeat(150),
        "]}".repeat(150)
    );
    findings(&nested, "deep.json");
}

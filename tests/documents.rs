//! README.md and docs/ tell the truth: their commands run, and the flags they name exist.
//!
//! A line of a `sh` block runs in a shell, in a folder where `runs/` fills up from block to block;
//! placeholders (`runs/RUN`, `BOT/N`, the address of one's API) stand for what that folder holds.
//! Loads are cut to a second or two. A command that cannot run here must be listed with its reason.

mod servers;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use servers::Scratch;

const BINARY: &str = env!("CARGO_BIN_EXE_tallyho");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What is not run from here, by the first words of the command, and what runs it instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cargo test", "it is what runs this test"),
    ("cargo bench", "it takes minutes; .ci/run runs every benchmark once"),
    ("UPDATE_GOLDEN=1 cargo bench", "it writes into the repository"),
    ("cargo run --release -p tallyho-compare", "it takes minutes; .ci/run has a short one"),
    ("git switch", "it changes the working tree"),
    ("cargo install critcmp", "it installs a program"),
    ("critcmp", "it is a program of others"),
    ("cargo run --release -p own-bot", "the tests of examples/own-bot run it"),
    ("tallyho run https://", "tests/tls runs it, against a server with a certificate"),
];

/// A document's commands: those lines of its `sh` blocks that are not comments.
fn commands(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).expect("a document");
    let mut found: Vec<String> = Vec::new();
    let (mut inside, mut continued) = (false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            (inside, continued) = (line == "```sh", false);
        } else if inside && !line.trim().is_empty() && !line.trim_start().starts_with('#') {
            let (line, goes_on) = match line.strip_suffix('\\') {
                Some(line) => (line.trim(), true),
                None => (line.trim(), false),
            };
            match found.last_mut() {
                Some(last) if continued => *last = format!("{last} {line}"),
                _ => found.push(line.to_owned()),
            }
            continued = goes_on;
        }
    }
    found
}

fn documents() -> Vec<PathBuf> {
    let mut all = vec![Path::new(ROOT).join("README.md")];
    for entry in fs::read_dir(Path::new(ROOT).join("docs")).expect("docs/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|kind| kind == "md") {
            all.push(path);
        }
    }
    all.sort();
    all
}

/// A folder as a user has it after some runs, with a stand-in API to load.
struct Desk {
    folder: Scratch,
    api: Child,
    address: String,
}

impl Desk {
    fn new() -> Self {
        let folder = Scratch::new("documents");
        for name in ["scenarios", "docs", "examples"] {
            symlink(Path::new(ROOT).join(name), folder.path().join(name)).expect("a link");
        }
        fs::create_dir(folder.path().join("bin")).expect("a folder");
        symlink(BINARY, folder.path().join("bin/tallyho")).expect("a link");
        let mut api = Command::new(BINARY)
            .args(["serve", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the stand-in API starts");
        let address = first_address(&mut api);
        let desk = Self { folder, api, address };
        for (out, seed) in [("A", "1"), ("B", "2"), ("RUN", "3")] {
            let line = format!(
                "tallyho run scenarios/tallyup-lite.json -c 40 -d 2s --seed {seed} \
                 --faults status=5% --delay-scale 0.2 --allow-degraded --out runs/{out}"
            );
            assert_success(&line, &desk.shell(&line));
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One failing session of `runs/RUN`, as `BOT/N`.
    fn failing(&self) -> String {
        let listed = self.shell("tallyho sessions runs/RUN --failing --json");
        let text = String::from_utf8(listed.stdout).expect("text");
        let line = text.lines().next().expect("faults make a session fail");
        let session: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        format!("{}/{}", session["bot"], session["session"])
    }

    /// The command with what its placeholders stand for, short enough for a test.
    fn fill(&self, command: &str) -> String {
        let mut words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let is_load = words.get(1).is_some_and(|word| word == "run");
        for index in 1..words.len() {
            let word = words[index].clone();
            if words[index - 1] == "--session" || words[index - 1] == "--only" {
                words[index] = self.failing();
            } else if is_load && matches!(words[index - 1].as_str(), "-d" | "--duration") {
                words[index] = "1s".into();
            } else if word.contains("127.0.0.1:8080") && is_load {
                words[index] = word.replace("127.0.0.1:8080", &self.address);
            } else if word.contains("127.0.0.1:8080") {
                words[index] = word.replace("127.0.0.1:8080", "127.0.0.1:0");
            }
            if words[index - 1] == "--port" {
                words[index] = "0".into();
            }
        }
        let is_whole = words.iter().any(|word| word == "--once" || word == "--only");
        if is_load && !is_whole {
            if !command.contains(" -d ") {
                words.extend(["-d".into(), "1s".into()]);
            }
            words.push("--allow-degraded".into());
        }
        // The built-in stand-in errs now and then, on purpose, and one session ends as it went.
        if words.iter().any(|word| word == "--once") && !command.contains("--target") {
            words.extend(["--faults".into(), "none".into()]);
        }
        words.join(" ")
    }

    fn shell(&self, line: &str) -> Output {
        self.command(line).output().expect("a shell")
    }

    fn command(&self, line: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("timeout");
        command
            .args(["-s", "KILL", "60", "sh", "-c", line])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("GITHUB_STEP_SUMMARY", self.path("summary.md"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// A server says where it listens, and ends well at Ctrl-C.
    fn serve(&self, line: &str) {
        let mut child = self.command(&format!("exec {line}")).spawn().expect("a shell");
        first_address(&mut child);
        let group = child.id().to_string();
        let stop = format!("kill -INT $(pgrep -P {group})");
        assert_success(&stop, &self.shell(&stop));
        let ended = child.wait_with_output().expect("a child");
        assert_success(line, &ended);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ended_already = self.api.kill();
        let _ended_already = self.api.wait();
    }
}

/// The address in the first line that a server prints, on whichever stream.
fn first_address(child: &mut Child) -> String {
    let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let (sender, addresses) = std::sync::mpsc::channel();
    let listen = |lines: Box<dyn BufRead + Send>| {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("http://") {
                    let address = rest.split([' ', '/', ',']).next().unwrap_or_default();
                    let _nobody_waits = sender.send(address.to_owned());
                }
            }
        });
    };
    listen(Box::new(stderr));
    listen(Box::new(stdout));
    let patience = std::time::Duration::from_secs(20);
    addresses.recv_timeout(patience).expect("the server says where it listens")
}

/// A load that was cut short ends well also when too few requests make a threshold fail.
fn assert_success(line: &str, output: &Output) {
    let is_load = line.starts_with("tallyho run ");
    assert!(
        output.status.success() || (is_load && output.status.code() == Some(99)),
        "`{line}` ends with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_command_of_the_documents_runs() {
    let desk = Desk::new();
    let mut count = 0;
    for document in documents() {
        for command in commands(&document) {
            if let Some((_, why)) = ELSEWHERE.iter().find(|(start, _)| command.starts_with(start)) {
                eprintln!("not run here: `{command}`: {why}");
                continue;
            }
            let line = command.replacen("cargo run --release -- ", "tallyho ", 1);
            assert!(
                line.starts_with("tallyho "),
                "{}: `{command}` is neither tallyho nor listed in ELSEWHERE",
                document.display()
            );
            let line = desk.fill(&line);
            eprintln!("{}: {line}", document.file_name().expect("a name").display());
            match line.starts_with("tallyho serve") {
                true => desk.serve(&line),
                false => assert_success(&line, &desk.shell(&line)),
            }
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} commands were found");
}

fn is_word(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// `tallyho SUBCOMMAND … --flag` in running text, table or block.
fn mentions(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let code = text.split('`').skip(1).step_by(2);
    let lines = text.lines().filter(|line| line.contains("cargo run --release -- "));
    for piece in code.chain(lines) {
        let piece = piece.replace("cargo run --release -- ", "tallyho ");
        for line in piece.lines() {
            let mut words = line.split_whitespace();
            if words.next() != Some("tallyho") {
                continue;
            }
            let Some(subcommand) = words.next().filter(|word| is_word(word)) else {
                continue;
            };
            let flags = words
                .filter(|word| word.starts_with("--") && word.len() > 2)
                .map(|word| {
                    let end = word.find(|c: char| !(c.is_alphanumeric() || c == '-'));
                    word[..end.unwrap_or(word.len())].to_owned()
                })
                .collect();
            found.push((subcommand.to_owned(), flags));
        }
    }
    found
}

#[test]
fn every_flag_that_the_documents_name_exists() {
    let mut count = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        for (subcommand, flags) in mentions(&text) {
            let help = Command::new(BINARY).args([&subcommand, "--help"]).output();
            let help = help.expect("tallyho runs");
            assert!(help.status.success(), "{}: no `{subcommand}`", document.display());
            let help = String::from_utf8(help.stdout).expect("text");
            for flag in flags {
                let is_known = help.split_whitespace().any(|word| word.trim_matches(',') == flag);
                // A flag of a subcommand of its own (`trace check`) is in that one's help.
                let is_nested = help.contains("Commands:");
                let place = document.display();
                assert!(is_known || is_nested, "{place}: `tallyho {subcommand}` has no {flag}");
                count += 1;
            }
        }
    }
    assert!(count >= 10, "only {count} flags were found");
}

/// Cargo refuses to choose among the programs of the workspace if none is the default. (Not run
/// here: cargo would build it in another way, and replace the program that the other tests use.)
#[test]
fn cargo_run_starts_the_program_that_the_readme_means() {
    let cargo = std::env::var("CARGO").expect("cargo runs the tests");
    let described = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(ROOT)
        .output()
        .expect("cargo starts");
    let described: serde_json::Value = serde_json::from_slice(&described.stdout).expect("JSON");
    let packages = described["packages"].as_array().expect("a list").iter();
    let defaults: Vec<&str> = packages.filter_map(|own| own["default_run"].as_str()).collect();
    assert_eq!(defaults, ["tallyho"]);
}

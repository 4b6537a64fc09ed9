//! A real terminal for the tests: tmux.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::servers::Scratch;

/// The longest that anything on the screen is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal of its own, with one program in it.
pub struct Terminal {
    socket: PathBuf,
    scratch: Scratch,
}

impl Terminal {
    /// Runs `tallyho run` with these words in a terminal, its standard output in a file; the
    /// terminal stays when it has ended.
    pub fn start(columns: u16, words: &str) -> Self {
        Self::start_with(columns, "", words)
    }

    /// The same with variables in front of the command.
    pub fn start_with(columns: u16, variables: &str, words: &str) -> Self {
        let binary = env!("CARGO_BIN_EXE_tallyho");
        Self::open(columns, |folder| {
            format!("{variables} {binary} run {words} --out '{folder}/out' >'{folder}/stdout'")
        })
    }

    /// Runs a command in a terminal, which stays when the command has ended.
    pub fn open(columns: u16, command: impl FnOnce(&str) -> String) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        // Not in the scratch directory: the path of a socket has at most 107 bytes.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tallyho-screen-{}-{number}", std::process::id());
        let terminal = Self {
            socket: std::env::temp_dir().join(name),
            scratch: Scratch::new(&format!("screen-{number}")),
        };
        let command = command(&terminal.scratch.path().display().to_string());
        let command = format!("{command}; echo exit $?; exec sleep 600");
        let columns = columns.to_string();
        // Started where no user's settings are read, and with UTF-8 whatever the locale is.
        let size = ["-x", columns.as_str(), "-y", "40"];
        terminal.tmux(&[&["new-session", "-d", "-s", "s"], &size[..], &[&command]].concat());
        terminal
    }

    pub fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-u", "-f", "/dev/null", "-S"])
            .arg(&self.socket)
            .args(words)
            .output()
            .expect("tmux runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {words:?}: {errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    pub fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-t", "s"])
    }

    /// Waits until all of these are on the screen, and gives the screen.
    pub fn wait_for(&self, parts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            let missing = parts.iter().find(|part| !text.contains(**part));
            let Some(missing) = missing else { return text };
            assert!(Instant::now() < deadline, "`{missing}` was never seen:\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys", "-t", "s"], keys].concat());
    }

    pub fn press_ctrl_c(&self) {
        self.tmux(&["send-keys", "-t", "s", "C-c"]);
    }

    pub fn resize(&self, columns: u16) {
        self.tmux(&["resize-window", "-t", "s", "-x", &columns.to_string()]);
    }

    pub fn stdout(&self) -> String {
        std::fs::read_to_string(Path::new(self.scratch.path()).join("stdout")).expect("text")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone_already =
            Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
        let _gone_already = std::fs::remove_file(&self.socket);
    }
}

//! The programs that are compared: found, built or installed.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What there is.
pub(crate) struct Tools {
    pub(crate) tallyho: PathBuf,
    /// How Tallyho was built.
    pub(crate) build: &'static str,
    pub(crate) wrk: Option<PathBuf>,
    pub(crate) nginx: Option<PathBuf>,
    pub(crate) oha: Option<PathBuf>,
    pub(crate) k6: Option<PathBuf>,
    pub(crate) has_uring: bool,
    pub(crate) work: Work,
}

/// Whether what is missing is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Install,
    Skip,
}

impl Tools {
    pub(crate) fn find(tallyho: Option<&Path>, missing: Missing) -> io::Result<Self> {
        let target = target_folder()?;
        if missing == Missing::Install {
            install_packages(&[("wrk", "wrk"), ("nginx", "nginx-light")]);
            install_oha(&target);
        }
        let (tallyho, build) = match tallyho {
            Some(path) => (path.to_owned(), "the program that was given"),
            None => build(&target)?,
        };
        Ok(Self {
            tallyho,
            build,
            wrk: find("wrk", &target),
            nginx: find("nginx", &target),
            oha: find("oha", &target),
            k6: find("k6", &target),
            has_uring: io_uring::IoUring::new(8).is_ok(),
            work: Work::new(&target)?,
        })
    }
}

/// A folder for what the rounds write.
pub(crate) struct Work(PathBuf);

impl Work {
    fn new(target: &Path) -> io::Result<Self> {
        let path = target.join(format!("compare-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_dir_all(&self.0);
    }
}

/// The folder that this program was built into: `target/PROFILE/tallyho-compare`, or a test beside
/// it in `deps`.
fn target_folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folders = program.ancestors().skip(1).filter(|folder| !folder.ends_with("deps"));
    let target = folders.into_iter().nth(1).map(Path::to_owned);
    target.ok_or_else(|| io::Error::other("this program is not in a target folder"))
}

/// Tallyho as it is shipped, and how it was built: with a profile where that can be made.
fn build(target: &Path) -> io::Result<(PathBuf, &'static str)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let script = |word: Option<&str>| {
        let mut command = Command::new(root.join("dist.sh"));
        command.args(word).env("CARGO_TARGET_DIR", target).stderr(Stdio::inherit());
        command.output()
    };
    if script(Some("--check"))?.status.success() {
        let made = script(None)?;
        if !made.status.success() {
            return Err(io::Error::other("dist.sh failed; --tallyho PATH takes another program"));
        }
        let path = String::from_utf8_lossy(&made.stdout).trim().into();
        return Ok((path, "built by dist.sh, with a profile"));
    }
    let built = Command::new("cargo")
        .args(["build", "--locked", "--profile", "dist", "--bin", "tallyho", "--target-dir"])
        .arg(target)
        .current_dir(root)
        .status()?;
    if !built.success() {
        return Err(io::Error::other("tallyho cannot be built; --tallyho PATH takes another"));
    }
    Ok((target.join("dist/tallyho"), "built with the profile dist, without a profile of its load"))
}

/// Debian packages of programs that are missing; without the right to, they stay so.
fn install_packages(programs: &[(&str, &str)]) {
    let is_missing = |program: &str| find(program, Path::new("")).is_none();
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| is_missing(program))
        .map(|&(_, package)| package)
        .collect();
    if missing.is_empty() {
        return;
    }
    let _shown_as_missing = Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(io::stderr())
        .status();
}

fn install_oha(target: &Path) {
    if find("oha", target).is_some() {
        return;
    }
    let _shown_as_missing = Command::new("cargo")
        .args(["install", "oha", "--locked", "--root"])
        .arg(target.join("tools"))
        .arg("--target-dir")
        .arg(target.join("tools/build"))
        .status();
}

fn find(program: &str, target: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    let folders = std::env::split_paths(&path).chain(sbin).chain([target.join("tools/bin")]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

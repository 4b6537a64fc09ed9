//! dist.sh finds what it takes, and says what is missing.
//!
//! Only its `--check`: what follows builds the program twice, which takes minutes. The compiler,
//! nginx and llvm-profdata are played by scripts here.

mod servers;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use servers::Scratch;

/// A machine with a compiler and with nothing else that dist.sh looks for.
struct Machine(Scratch);

impl Machine {
    fn new(name: &str) -> Self {
        let machine = Self(Scratch::new(name));
        for folder in ["bin", "sysroot/lib/rustlib/some-host/bin"] {
            fs::create_dir_all(machine.0.path().join(folder)).expect("a folder");
        }
        let sysroot = machine.0.path().join("sysroot");
        let version = "host: some-host\\nLLVM version: 77.1.2\\n";
        let compiler = format!(
            "[ \"$*\" = -vV ] && printf '{version}' && exit\n\
             [ \"$*\" = '--print sysroot' ] && echo '{}'",
            sysroot.display()
        );
        machine.script("bin/rustc", &compiler);
        machine.script("bin/taskset", "exit 0");
        for tool in ["bash", "dirname", "sed"] {
            let real = ["/usr/bin", "/bin"].map(|folder| PathBuf::from(folder).join(tool));
            let real = real.iter().find(|path| path.exists()).expect("a tool of every system");
            let link = machine.0.path().join("bin").join(tool);
            std::os::unix::fs::symlink(real, link).expect("a link");
        }
        machine
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.file(name, &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script");
        path
    }

    fn check(&self, named: Option<&str>) -> Output {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/dist.sh"));
        command.arg("--check").env_clear().env("PATH", self.0.path().join("bin"));
        command.envs(named.map(|named| ("LLVM_PROFDATA", named)));
        command.output().expect("the script runs")
    }

    fn found(&self, named: Option<&str>) -> PathBuf {
        let output = self.check(named);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a path").trim_end().into()
    }

    fn refused(&self, named: Option<&str>) -> String {
        let output = self.check(named);
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).expect("text")
    }
}

#[test]
fn the_named_llvm_profdata_goes_before_the_toolchains_and_that_before_the_systems() {
    let machine = Machine::new("dist-order");
    machine.script("bin/nginx", "exit 0");
    let said = machine.refused(None);
    assert!(said.contains("no llvm-profdata of LLVM 77"), "{said}");
    assert!(said.contains("rustup component add llvm-tools"), "{said}");

    // One of another LLVM cannot be used.
    machine.script("bin/llvm-profdata-76", "exit 0");
    machine.script("bin/llvm-profdata", "exit 0");
    machine.refused(None);
    let system = machine.script("bin/llvm-profdata-77", "exit 0");
    assert_eq!(machine.found(None), system);
    let own = machine.script("sysroot/lib/rustlib/some-host/bin/llvm-profdata", "exit 0");
    assert_eq!(machine.found(None), own);
    let named = machine.script("named", "exit 0");
    assert_eq!(machine.found(named.to_str()), named);

    let said = machine.refused(Some("/nowhere/llvm-profdata"));
    assert!(said.contains("LLVM_PROFDATA is /nowhere/llvm-profdata"), "{said}");
}

#[test]
fn a_machine_of_one_core_is_told_that_training_takes_two() {
    let machine = Machine::new("dist-cores");
    machine.script("bin/nginx", "exit 0");
    machine.script("bin/llvm-profdata-77", "exit 0");
    machine.script("bin/taskset", "exit 1");
    let said = machine.refused(None);
    assert!(said.contains("training takes cores 0 and 1"), "{said}");
}

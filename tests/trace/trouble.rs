//! Runs that are killed, and writers that stall or have no room.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::servers::{RawServer, Scratch, answer_all, read_request};
use crate::tallyho::{self, DRIVERS, Run};
use crate::{counting, expect};

/// The folder of a run that can be killed: its trace stays.
fn killed(words: &[&str], wait: impl FnOnce()) -> Scratch {
    let scratch = Scratch::new("killed");
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tallyho"))
        .arg("run")
        .args(words)
        .arg("--quiet")
        .arg("--out")
        .arg(scratch.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait();
    child.kill().unwrap();
    child.wait().unwrap();
    scratch
}

#[test]
fn a_run_killed_at_any_instant_is_recovered_and_replays() {
    let server = counting();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let seed = std::env::var("SEED").map_or(u64::from(now), |seed| seed.parse().unwrap());
    println!("rerun with SEED={seed}");
    for (n, driver) in (0_u64..).zip(DRIVERS.into_iter().cycle().take(8)) {
        let url = server.url("/");
        let words = [&url, "-d", "60s", "-c", "20", "--io-driver", driver];
        let random = (seed + n).wrapping_mul(0x5851_F42D_4C95_7F2D) >> 33;
        let instant = Duration::from_micros(100_000 + random % 1_500_000);
        let scratch = killed(&words, || std::thread::sleep(instant));
        let run = scratch.path().to_str().unwrap();
        if std::fs::metadata(scratch.path().join("trace-0.tly")).map_or(0, |file| file.len()) == 0 {
            continue;
        }
        expect(1, &["trace", "check", run]);
        let before = expect(0, &["replay", run, "--all"]);
        expect(0, &["trace", "recover", run]);
        let checked = expect(0, &["trace", "check", run]);
        assert!(checked.contains(" started"), "{checked}");
        let after = expect(0, &["replay", run, "--all"]);
        let counts = |text: &str| text.split_once(" replayed,").map(|(_, rest)| rest.to_owned());
        assert!(counts(&after).is_some_and(|counts| counts.contains(" 0 differ")), "{after}");
        assert_eq!(counts(&before), counts(&after));
    }
}

#[test]
fn a_failing_session_is_in_the_file_at_once_and_any_other_within_ten_seconds() {
    // The first connection's second request fails, then everything hangs.
    let server = RawServer::start(|mut stream| {
        let Some(_) = read_request(&mut stream) else { return };
        let _sent = stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
        let _until_the_client_is_killed = stream.read(&mut [0; 4096]);
        std::thread::sleep(Duration::from_secs(20));
    });
    let url = server.url("/");
    let words = [url.as_str(), "-d", "60s", "-c", "3"];
    let scratch = killed(&words, || std::thread::sleep(Duration::from_millis(1_500)));
    let run = scratch.path().to_str().unwrap();
    let listed = expect(0, &["sessions", run, "--failing", "--json"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let scratch = killed(&words, || std::thread::sleep(Duration::from_millis(9_000)));
    let run = scratch.path().to_str().unwrap();
    let listed = expect(0, &["sessions", run, "--json"]);
    // Those that wait for a response are there too, up to where they wait.
    assert_eq!(listed.lines().count(), 6, "{listed}");
    assert_eq!(listed.matches("exact so far").count(), 3, "{listed}");
    expect(0, &["replay", run, "--all"]);
}

/// Runs with its trace going to `path`, whatever that is.
fn run_into(path: &Path, words: &[&str], during: impl FnOnce()) -> tallyho::Ended {
    let running = Run::start_with(words, |folder| {
        std::os::unix::fs::symlink(path, folder.join("trace-0.tly")).unwrap();
    });
    during();
    running.finish()
}

#[test]
fn on_a_full_disk_the_run_goes_on_and_says_what_was_not_recorded() {
    let server = counting();
    for driver in DRIVERS {
        let url = server.url("/");
        let words = [url.as_str(), "-n", "2000", "-c", "5", "--io-driver", driver];
        let ended = run_into(Path::new("/dev/full"), &words, || {}).expect_exit(0);
        let report = ended.report();
        assert_eq!(report.number("/summary/completed"), 2_000);
        assert_eq!(report.number("/trace/started"), 2_000);
        assert_eq!(report.number("/trace/exact"), 0);
        assert_eq!(report.number("/trace/lost"), 2_000);
        assert!(report.text("/trace/error").contains("No space left"), "{}", ended.stdout);
        assert!(ended.stdout.contains("were not recorded"), "{}", ended.stdout);
        let failing = report.0["failing"].as_array().unwrap();
        assert_eq!(failing.len(), 1);
    }
}

#[test]
fn while_the_writer_stalls_the_run_goes_on_and_the_sums_add_up() {
    let server = RawServer::start(|stream| answer_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n"));
    let scratch = Scratch::new("stalled");
    let fifo = scratch.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let reader = {
        let fifo = fifo.clone();
        // Opened, and read only when the run is over: a pipe holds 64 KiB.
        std::thread::spawn(move || {
            let mut pipe = File::open(fifo).unwrap();
            std::thread::sleep(Duration::from_secs(6));
            let mut bytes = Vec::new();
            let _ended = pipe.read_to_end(&mut bytes);
            bytes
        })
    };
    let url = server.url("/");
    let words = [url.as_str(), "-d", "5s", "-c", "20"];
    let ended = run_into(&fifo, &words, || {}).expect_exit(0);
    let report = ended.report();
    let number = |name: &str| report.number(&format!("/trace/{name}"));
    let sum = number("exact") + number("partial") + number("not_wanted") + number("lost");
    assert_eq!(sum + number("writer_behind"), number("started"));
    assert_eq!(number("started"), report.number("/summary/started"));
    assert!(report.number("/summary/completed") > 5_000, "the load went on");
    let bytes = reader.join().unwrap();
    let path = scratch.path().join("read.tly");
    std::fs::write(&path, bytes).unwrap();
    expect(0, &["replay", path.to_str().unwrap(), "--all"]);
}

/// A file system with little room, if this user may make one.
struct SmallDisk(Scratch);

impl SmallDisk {
    fn mount(options: &str) -> Option<Self> {
        let disk = Self(Scratch::new("disk"));
        if disk.tmpfs(options) {
            return Some(disk);
        }
        eprintln!("skipped: a tmpfs cannot be mounted here");
        None
    }

    fn tmpfs(&self, options: &str) -> bool {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path());
        mount.status().is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _gone_already = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_small_disk_the_run_goes_on_or_waits_or_ends_as_the_user_wants() {
    let server = counting();
    let url = server.url("/");
    // Bots that wait for the disk are late, and the verdict says so: that is not asked here.
    let words =
        |mode| [&url, "-n", "20000", "-c", "5", "--allow-degraded", "--on-not-recorded", mode];
    for mode in ["continue", "wait", "abort"] {
        let Some(disk) = SmallDisk::mount("size=128k") else { return };
        let path = disk.0.path().join("trace.tly");
        let ended = run_into(&path, &words(mode), || {
            if mode == "wait" {
                std::thread::sleep(Duration::from_secs(4));
                assert!(disk.tmpfs("remount,size=64m"));
            }
        });
        let ended = ended.expect_exit(i32::from(mode == "abort"));
        let report = ended.report();
        let number = |name: &str| report.number(&format!("/trace/{name}"));
        let sum = number("exact") + number("partial") + number("writer_behind") + number("lost");
        assert_eq!(sum, number("started"), "{mode}");
        assert!(report.text("/trace/error").contains("No space left"), "{mode}");
        match mode {
            "continue" => {
                assert_eq!(number("started"), 20_000);
                assert!(number("lost") > 0 && ended.stdout.contains("were not recorded"));
            }
            "wait" => assert_eq!((number("started"), number("exact")), (20_000, 20_000)),
            _ => {
                assert!(number("started") < 20_000, "it ended before");
                let why = "ended since sessions could not be recorded: No space left";
                assert!(ended.stderr.contains(why), "{}", ended.stderr);
            }
        }
        expect(0, &["replay", path.to_str().unwrap(), "--all"]);
    }
}

//! A generator that is kept from running: stopped, or throttled by its CPU limit, on both IO
//! drivers. A closed model is never late in its schedule, so only the worker itself can tell.

mod servers;
mod tallyho;

use std::path::{Path, PathBuf};
use std::time::Duration;

use servers::{Nginx, RawServer, Scratch};
use tallyho::{DRIVERS, Report, Run};

/// A server that takes a moment, so that a few bots do not use up a core.
fn server() -> RawServer {
    RawServer::start(|mut stream| {
        while servers::read_request(&mut stream).is_some() {
            std::thread::sleep(Duration::from_millis(2));
            let answered = std::io::Write::write_all(&mut stream, b"HTTP/1.1 204 No\r\n\r\n");
            if answered.is_err() {
                return;
            }
        }
    })
}

const STOPPED: Duration = Duration::from_millis(2_200);

/// Runs for 5 s and is stopped for 2.2 s of them, from about 1.2 s on.
fn stopped(words: &[&str]) -> Report {
    let run = Run::start(&[words, &["-d", "5s", "--cores", "1"]].concat());
    run.wait_for_start();
    std::thread::sleep(Duration::from_millis(1_200));
    run.signal("STOP");
    std::thread::sleep(STOPPED);
    run.signal("CONT");
    let ended = run.finish().expect_exit(0);
    let html = std::fs::read_to_string(ended.path("report.html")).expect("a page");
    assert!(html.contains("stood still between"), "the page says so");
    assert!(!html.contains("\"limited\":[]"), "and shades it");
    assert!(ended.stdout.contains("stood still between"), "{}", ended.stdout);
    ended.report()
}

/// The evidence of a kind of warning.
fn evidence<'a>(report: &'a Report, kind: &str) -> Option<&'a serde_json::Value> {
    let warnings = report.0["warnings"].as_array().expect("warnings");
    warnings.iter().map(|warning| &warning["evidence"]).find(|evidence| evidence["kind"] == kind)
}

fn column(report: &Report, name: &str) -> Vec<u64> {
    let rows = report.0["timeline"]["rows"].as_array().expect("rows");
    rows.iter().map(|row| row[name].as_u64().expect("a count")).collect()
}

#[test]
fn a_worker_that_was_stopped_in_a_closed_model_spoils_the_verdict_from_that_second_on() {
    let server = server();
    std::thread::scope(|scope| {
        for driver in DRIVERS {
            let url = server.url("/");
            scope.spawn(move || {
                let report = stopped(&[&url, "-c", "4", "--io-driver", driver]);
                let stalled = evidence(&report, "generator_stalled").expect("a warning");
                let longest = stalled["longest_us"].as_u64().expect("a time");
                assert!((1_900_000..4_500_000).contains(&longest), "{driver}: {stalled}");
                assert!(stalled["cpu_us"].as_u64() < Some(longest / 2), "{driver}: {stalled}");
                assert_eq!(report.text("/verdict/state"), "invalid", "{driver}: a third of it");
                let since = report.number("/verdict/since_second");
                assert!((1..=2).contains(&since), "{driver}: since {since}");
                assert!(report.number("/summary/schedule_lag/max_us") < 100_000, "{driver}");
                let row = &report.0["timeline"]["rows"][2]["strain"];
                assert!(row["stalled_us"].as_u64() > Some(0), "{driver}: {row}");
                let worker = &report.0["workers"][0]["measured"];
                assert!(worker["stalls"]["total_us"].as_u64() >= Some(longest), "{worker}");
            });
        }
    });
}

#[test]
fn what_was_due_while_a_worker_was_stopped_counts_in_the_seconds_of_the_schedule() {
    let server = server();
    std::thread::scope(|scope| {
        for driver in DRIVERS {
            for words in
                [&["-q", "400/s"][..], &["-q", "400/s", "-c", "4", "--on-no-free-bot", "drop"]]
            {
                let url = server.url("/");
                scope.spawn(move || {
                    let report = stopped(&[&[&url, "--io-driver", driver], words].concat());
                    assert_eq!(column(&report, "due")[..5], [400; 5], "{driver} {words:?}");
                    if words.len() > 2 {
                        // All of the second that it slept through.
                        let dropped = column(&report, "dropped");
                        assert!(dropped[2] >= 390, "{driver}: {dropped:?}");
                        assert!(dropped.iter().all(|dropped| *dropped <= 400), "{dropped:?}");
                    }
                });
            }
        }
    });
}

/// A control group of the test's own with a tenth of a core; none where that may not be made.
struct Group(PathBuf);

impl Group {
    fn new(name: &str) -> Option<Self> {
        let name = format!("tallyho-{name}-{}", std::process::id());
        let first = Path::new("/sys/fs/cgroup/cpu").join(&name);
        let second = Path::new("/sys/fs/cgroup").join(&name);
        let limits: [(&Path, &[(&str, &str)]); 2] = [
            (&first, &[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "10000")]),
            (&second, &[("cpu.max", "10000 100000")]),
        ];
        for (folder, files) in limits {
            let is_limit = || {
                files.iter().all(|(file, text)| {
                    let file = folder.join(file);
                    file.exists() && std::fs::write(file, text).is_ok()
                })
            };
            if std::fs::create_dir(folder).is_ok() {
                let group = Self(folder.to_owned());
                if is_limit() {
                    return Some(group);
                }
            }
        }
        eprintln!("skipped: no control group for CPU can be made here");
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its processes have ended, but the kernel may need a moment to know.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_cpu_limit_that_stops_the_generator_is_told_with_its_seconds() {
    let Some(group) = Group::new("throttled") else { return };
    let Some(nginx) = Nginx::start("throttled-nginx", "location / { return 204; }") else { return };
    let url = nginx.url("/");
    for driver in DRIVERS {
        let scratch = Scratch::new("throttled");
        // As many bots as keep two workers busy: a tenth of a core is too little for them.
        let run = format!(
            "echo $$ > {}/cgroup.procs && exec {} run {url} -c 16 -d 3s --cores 2 --io-driver \
             {driver} --quiet --allow-degraded --out '{}'",
            group.0.display(),
            env!("CARGO_BIN_EXE_tallyho"),
            scratch.path().display(),
        );
        let status = std::process::Command::new("sh")
            .args(["-c", &run])
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.expect("a shell").success());
        let json = std::fs::read_to_string(scratch.path().join("run.json")).expect("a run.json");
        let report = Report(serde_json::from_str(&json).expect("JSON"));
        assert_ne!(report.text("/verdict/state"), "ok", "{driver}");
        assert_eq!(report.0["tasks"][0]["cpus"], 0.1, "{driver}");
        let throttled = evidence(&report, "cpu_throttled").expect("a warning");
        let seconds = &throttled["seconds"];
        assert!(
            seconds["from"].as_u64() <= Some(1) && seconds["to"].as_u64() >= Some(2),
            "{throttled}"
        );
        assert!(throttled["periods_throttled"].as_u64() >= Some(5), "{driver}: {throttled}");
        let page = scratch.path().join("report.html");
        let page = std::fs::read_to_string(page).expect("a page");
        assert!(!page.contains("\"limited\":[]"), "{driver}: the page shades it");
    }
    // A tenth of a core feeds one worker.
    let words = format!(
        "echo $$ > {}/cgroup.procs && exec {} run {url} -n 10 --allow-degraded",
        group.0.display(),
        env!("CARGO_BIN_EXE_tallyho")
    );
    let scratch = Scratch::new("throttled-workers");
    let output = std::process::Command::new("sh")
        .args(["-c", &words])
        .current_dir(scratch.path())
        .output()
        .expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("1 worker, not pinned"), "{stderr}");
}

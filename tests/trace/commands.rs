//! What the commands do with the trace of a run.

use std::io::Write;
use std::path::Path;

use crate::servers::{RawServer, Scratch, answer_all, is_installed, read_request};
use crate::tallyho::{DRIVERS, run};
use crate::{command, counting, expect};

/// Runs a command line as it was printed.
fn in_a_shell(line: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_tallyho"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let output =
        std::process::Command::new("/bin/sh").args(["-c", line]).env("PATH", path).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_run_leaves_a_trace_of_at_most_16_bytes_a_request_and_all_of_it_replays() {
    let server = RawServer::start(|stream| answer_all(stream, b"HTTP/1.1 204 No Content\r\n\r\n"));
    for driver in DRIVERS {
        for load in [["-n", "20k"], ["-d", "2s"], ["-q", "5000/s"]] {
            let url = server.url("/items");
            let mut words = vec![url.as_str(), "-c", "20", "--io-driver", driver];
            words.extend(load);
            if load[0] == "-q" {
                words.extend(["-d", "2s"]);
            }
            let ended = run(&words).expect_exit(0);
            let report = ended.report();
            let started = report.number("/summary/started");
            assert_eq!(report.number("/trace/exact"), started, "{driver} {load:?}");
            assert_eq!(report.number("/trace/started"), started);
            let each = report.number("/trace/bytes") as f64 / started as f64;
            assert!(each <= 16.0, "{driver} {load:?}: {each} bytes a request");
            let folder = ended.path("");
            let folder = folder.to_str().unwrap();
            let checked = expect(0, &["trace", "check", folder]);
            assert!(checked.contains(&format!("= {started} started")), "{checked}");
            let (_, printed) = checked.rsplit_once("requests, ").unwrap();
            let printed: f64 = printed.split_whitespace().next().unwrap().parse().unwrap();
            assert!((printed - each).abs() < 0.01 && printed <= 16.0, "{checked}");
            let replayed = expect(0, &["replay", folder, "--all"]);
            assert!(replayed.contains(&format!("{started} exact, 0 exact as")), "{replayed}");
        }
    }
}

#[test]
fn the_report_groups_failing_sessions_and_its_commands_replay_them() {
    let server = counting();
    for driver in DRIVERS {
        let words = [&server.url("/a b"), "-n", "70", "-c", "3", "--io-driver", driver];
        let ended = run(&words).expect_exit(0);
        let report = ended.report();
        let failing = report.0["failing"].as_array().unwrap();
        assert_eq!(failing.len(), 1, "{failing:?}");
        assert_eq!(failing[0]["count"], 10);
        let signature = failing[0]["signature"].as_str().unwrap();
        assert!(signature.contains("unexpected status 503"), "{signature}");
        let replay = failing[0]["replay"].as_str().unwrap();
        assert!(ended.stdout.contains(replay), "{}", ended.stdout);
        let timeline = in_a_shell(replay);
        assert!(timeline.contains("status 503") && timeline.contains("exact: all"), "{timeline}");
        let folder = ended.path("");
        let folder = folder.to_str().unwrap();
        let listed = expect(0, &["sessions", folder, "--signature", signature, "--json"]);
        assert_eq!(listed.lines().count(), 10, "{listed}");
        let verified = expect(0, &["replay", folder, "--failing"]);
        assert!(verified.contains("10 exact"), "{verified}");
    }
}

#[test]
fn a_capsule_replays_with_nothing_else() {
    let server = counting();
    let ended = run(&[&server.url("/"), "-n", "50", "-c", "3"]).expect_exit(0);
    let folder = ended.path("");
    let elsewhere = Scratch::new("elsewhere");
    let capsule = elsewhere.path().join("c.tly");
    let (folder, path) = (folder.to_str().unwrap(), capsule.to_str().unwrap());
    expect(0, &["capsule", folder, "--session", "17/0", "--out", path]);
    drop((ended, server));
    let replayed = expect(0, &["replay", path, "--session", "17/0"]);
    assert!(replayed.contains("session 17/0") && replayed.contains("exact: all 2"), "{replayed}");
    expect(0, &["trace", "check", path]);
    expect(2, &["replay", path, "--session", "18/0"]);
}

/// Traces come by mail: what is in them reaches nothing but the screen.
#[test]
fn a_replay_opens_no_socket_and_no_file_beside_the_trace() {
    if !is_installed("strace") {
        return;
    }
    let server = counting();
    let ended = run(&[&server.url("/"), "-n", "30", "-c", "3"]).expect_exit(0);
    let trace = ended.path("trace-0.tly");
    let trace = trace.to_str().unwrap();
    let scratch = Scratch::new("strace");
    let log = scratch.path().join("log");
    let which: [&[&str]; 4] =
        [&["--all"], &["--failing"], &["--sample", "5"], &["--session", "6/0"]];
    for which in which {
        let mut traced = std::process::Command::new("strace");
        traced.env_remove("LD_LIBRARY_PATH");
        traced.args(["-f", "-e", "trace=%network,open,openat,creat,execve", "-o"]).arg(&log);
        traced.arg(env!("CARGO_BIN_EXE_tallyho")).args(["replay", trace]).args(which);
        let output = traced.output().unwrap();
        assert!(output.status.success(), "{which:?} {output:?}");
        let calls = std::fs::read_to_string(&log).unwrap();
        assert!(calls.contains(&format!("\"{trace}\", O_RDONLY")), "{calls}");
        for call in calls.lines().filter(|call| !call.contains("+++ exited")) {
            // Its own code, and what the system says of this process and its cores.
            let own = [trace, "/lib", "/usr/lib", "/etc/ld.so", "/proc/self/", "/sys/"];
            let is_own = own.iter().any(|path| call.contains(&format!("\"{path}")));
            assert!(is_own || call.contains("execve(\""), "{which:?}: {call}");
            assert!(!call.contains("O_CREAT") && !call.contains("socket("), "{which:?}: {call}");
        }
    }
}

#[test]
fn a_flipped_byte_is_an_error_with_its_place_or_a_divergence_and_never_a_panic() {
    let server = counting();
    let ended = run(&[&server.url("/"), "-n", "40", "-c", "3"]).expect_exit(0);
    let trace = std::fs::read(ended.path("trace-0.tly")).unwrap();
    let scratch = Scratch::new("flipped");
    let path = scratch.path().join("trace-0.tly");
    for at in (0..trace.len()).step_by(trace.len() / 40) {
        let mut flipped = trace.clone();
        flipped[at] ^= 0x10;
        std::fs::write(&path, flipped).unwrap();
        let output = command(&["replay", path.to_str().unwrap(), "--all"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let code = output.status.code();
        let is_torn = code == Some(0) && stderr.contains("are a torn block");
        assert!(is_torn || code == Some(1) || code == Some(3), "byte {at}: {code:?} {stderr}");
        assert!(stderr.contains("byte") || stderr.contains("version"), "byte {at}: {stderr}");
    }
}

#[test]
fn every_command_refuses_a_newer_format_with_a_clear_word() {
    let server = counting();
    let ended = run(&[&server.url("/"), "-n", "5", "-c", "1"]).expect_exit(0);
    let trace = ended.path("trace-0.tly");
    let mut bytes = std::fs::read(&trace).unwrap();
    bytes[4] += 1;
    std::fs::write(&trace, &bytes).unwrap();
    let trace = trace.to_str().unwrap();
    let commands: [&[&str]; 6] = [
        &["replay", trace, "--all"],
        &["replay", trace, "--session", "0/0"],
        &["sessions", trace],
        &["capsule", trace, "--session", "0/0"],
        &["trace", "check", trace],
        &["trace", "recover", trace],
    ];
    for words in commands {
        let told = expect(1, words);
        assert!(told.contains("it has format version 2, this build reads 1"), "{words:?} {told}");
        assert!(told.contains("the version of tallyho that wrote it, or a newer one"), "{told}");
    }
    assert_eq!(std::fs::read(trace).unwrap(), bytes, "left as it is");
}

#[test]
fn a_changed_scenario_is_asked_whether_it_would_have_done_the_same() {
    let file = "scenarios/hello.json";
    let ended = run(&[file, "-n", "20", "-c", "2", "--faults", "none"]).expect_exit(0);
    let folder = ended.path("");
    let folder = folder.to_str().unwrap();
    expect(0, &["replay", folder, "--all"]);
    expect(0, &["replay", folder, "--all", "--scenario", file]);
    let text = std::fs::read_to_string(file).unwrap();
    let changed = text.replace("\"/", "\"/other/");
    assert_ne!(text, changed, "the scenario has a path");
    let scratch = Scratch::new("changed");
    let other = scratch.file("changed.json", &changed);
    let text = expect(3, &["replay", folder, "--all", "--scenario", other.to_str().unwrap()]);
    assert!(text.contains("differs at step") && text.contains("likely cause"), "{text}");
}

#[test]
fn no_secret_of_the_command_line_is_in_any_file_and_the_server_gets_it() {
    let (sender, requests) = std::sync::mpsc::channel();
    let server = RawServer::start(move |mut stream| {
        while let Some(head) = read_request(&mut stream) {
            let _test_is_over = sender.send(head);
            if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
                return;
            }
        }
    });
    let url = server.url("/");
    let header = "Authorization: Bearer canary-0123456789";
    let ended = run(&[&url, "-n", "9", "-c", "2", "-H", header]).expect_exit(0);
    for request in requests.iter().take(9) {
        assert!(request.contains(&format!("\r\n{header}\r\n")), "{request}");
    }
    for entry in std::fs::read_dir(ended.path("")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(b"canary".len()).any(|window| window == b"canary");
        assert!(!found, "{}", path.display());
    }
    let folder = ended.path("");
    let folder = folder.to_str().unwrap();
    expect(0, &["replay", folder, "--all"]);
    let timeline = expect(0, &["replay", folder, "--session", "3/0"]);
    assert!(timeline.contains("Authorization: Bearer <secret"), "{timeline}");
}

//! The machine and the versions, without which figures say nothing.

use std::process::Command;

use crate::rounds::Plan;
use crate::servers::SUITE;
use crate::tools::Tools;

pub(crate) fn print(tools: &Tools, plan: &Plan) {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let value = |key: &str| {
        let line = cpus.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let model = value("model name").unwrap_or_else(|| "unknown".to_owned());
    println!("- {} UTC", first_line("date", &["-u", "+%F %H:%M"]));
    println!("- {model}, {cores} cores, Linux {}", first_line("uname", &["-r"]));
    let congestion = read("/proc/sys/net/ipv4/tcp_congestion_control");
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("unknown");
    println!("- TCP {}, load average at the start {load}", congestion.trim());
    let uring = if tools.has_uring { "allowed" } else { "not allowed" };
    println!("- io_uring {uring}");
    let tallyho = tools.tallyho.display().to_string();
    println!("- {} ({})", first_line(&tallyho, &["--version"]), tools.build);
    for (name, path, flag) in [
        ("wrk", &tools.wrk, "-v"),
        ("nginx", &tools.nginx, "-v"),
        ("oha", &tools.oha, "--version"),
        ("k6", &tools.k6, "version"),
    ] {
        match path {
            Some(path) => println!("- {}", first_line(&path.display().to_string(), &[flag])),
            None => println!("- {name}: not installed"),
        }
    }
    println!("- HTTPS: TLS 1.3 with {SUITE}, the only suite of it that nginx is given");
    let (rounds, seconds) = (plan.rounds, plan.time.as_secs_f64());
    println!(
        "- {rounds} rounds, each client {seconds} s in each: client on core 0, server on core 1"
    );
}

/// The first line that a program prints, on whichever output.
fn first_line(program: &str, arguments: &[&str]) -> String {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        return format!("{program}: does not run");
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default();
    line.split(" Copyright").next().unwrap_or_default().trim().to_owned()
}

//! How Tallyho is called, and what its run.json says.

use std::io;
use std::process::Command;

use serde_json::Value;

use crate::clients::{CORE, Driver, Job, Load};
use crate::measure::pinned;
use crate::servers::Server;
use crate::tools::Tools;

/// Five requests of a session as an API client makes them: it logs in, reads with the token that it
/// was given, and checks what it reads.
pub(crate) const FLOW: &str = r#"{
  "steps": [
    {"post": "/login", "json": {"user": "${bot}"}, "capture": {"token": "/token"},
     "check": {"logged in": "status == 200"}},
    {"get": "/profile", "headers": {"Authorization": "Bearer ${token}"},
     "capture": {"id": "/id", "name": "/name"}, "check": {"is ada": "name == 'ada'"}},
    {"get": "/items/${id}", "name": "item", "headers": {"Authorization": "Bearer ${token}"},
     "capture": {"item": "/id"}, "check": {"has the id": "item == id"}},
    {"get": "/items/${id}/details", "name": "details",
     "headers": {"Authorization": "Bearer ${token}"},
     "capture": {"ok": "/ok"}, "check": {"is ok": "ok == true"}},
    {"get": "/bye", "headers": {"Authorization": "Bearer ${token}"},
     "check": {"left": "status == 200"}}
  ]
}
"#;

/// What the flow leaves out: forms, templates, draws, cookies, redirects, compressed and larger
/// bodies. For nginx.
pub(crate) const MIXED: &str = r#"{
  "steps": [
    {"post": "/form", "check": {"taken": "status == 200"},
     "form": {"user": "ada ${bot}", "colour": "${draw.colour.pick('red', 'blue')}"}},
    {"get": "/cookie", "query": {"q": "${bot} & more"}},
    {"get": "/moved", "check": {"arrived": "json('/id') == 12345"}},
    {"get": "/gzip", "headers": {"Accept-Encoding": "gzip"}, "capture": {"id": "/id"}},
    {"repeat": 3, "steps": [
      {"post": "/orders/${id}", "name": "order", "check": {"is ada": "body contains 'ada'"},
       "json": {"id": "${id}", "lines": [{"item": "${uuid}", "count": "${draw.n.between(1, 9)}"}]}}
    ]},
    {"if": "id == 12345", "then": [{"post": "/note", "text": "bot ${bot | pad 5}, ${now}"}]}
  ]
}
"#;

/// One worker on core 0, which its other threads share; these words added.
pub(crate) fn command(
    tools: &Tools,
    driver: Driver,
    job: &Job<'_>,
    words: &[&str],
) -> io::Result<Command> {
    let mut command = pinned(CORE, &tools.tallyho);
    match job.load {
        Load::Get => command.arg("run").arg(job.server.url("/")),
        Load::Flow => {
            let scenario = tools.work.file("flow.json", FLOW)?;
            command.arg("run").arg(scenario).args(["--target", &job.server.url("")])
        }
    };
    command.args(["--cores", "1", "--io-driver", driver.word()]);
    command.args(["-c", &job.connections.to_string()]);
    command.args(["-d", &format!("{}ms", job.time.as_millis())]);
    command.args(words);
    report_to(tools, job.server, &mut command);
    Ok(command)
}

/// Prints run.json, and keeps the run where the next one takes its place.
pub(crate) fn report_to(tools: &Tools, server: &Server, command: &mut Command) {
    let folder = tools.work.path().join("run");
    let _none_yet = std::fs::remove_dir_all(&folder);
    command.args(["--json", "--quiet", "--allow-degraded", "--out"]).arg(folder);
    if server.is_secure() {
        command.arg("--insecure");
    }
}

/// The requests of a run. A run that fails its requests is fast, and measures nothing.
pub(crate) fn requests(run: &Value) -> Option<u64> {
    let summary = &run["summary"];
    let (requests, failed) = (summary["requests"].as_u64()?, summary["requests_failed"].as_u64()?);
    (requests > 0 && failed * 100 <= requests).then_some(requests)
}

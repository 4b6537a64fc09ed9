//! What the ECS agent tells a container about itself: the metadata endpoint, version 4.
//!
//! Fargate's CPU limit is the task's, which no cgroup of the container shows. The endpoint is plain
//! HTTP on a link-local address, so one request over a socket is all it takes.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::Deserialize;

/// The variable that ECS puts the endpoint's address into.
pub const VARIABLE: &str = "ECS_CONTAINER_METADATA_URI_V4";
/// The endpoint is on the same machine.
const TIMEOUT: Duration = Duration::from_secs(3);
/// More than a task with ten containers has to say.
const BYTES_MAX: u64 = 1024 * 1024;

/// What is known of the task.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Metadata {
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The task's ARN.
    #[serde(rename = "TaskARN")]
    pub task_arn: String,
    /// The task definition's family.
    pub family: String,
    /// Its revision.
    pub revision: String,
    /// `FARGATE` or `EC2`.
    pub launch_type: String,
    /// The zone.
    pub availability_zone: String,
    limits: Limits,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Limits {
    /// In cores.
    #[serde(rename = "CPU")]
    cpu: Option<f64>,
}

impl Metadata {
    /// Asks the endpoint whose address the environment holds; nothing outside of ECS.
    ///
    /// # Errors
    ///
    /// When there is an endpoint and it does not answer as it should.
    pub fn ask(address: Option<&str>) -> Result<Option<Self>, String> {
        let Some(address) = address.filter(|address| !address.is_empty()) else { return Ok(None) };
        let task = format!("{}/task", address.trim_end_matches('/'));
        let failed = |why: String| format!("{VARIABLE}: {task} does not answer: {why}");
        let body = fetch(&task).map_err(failed)?;
        serde_json::from_slice(&body).map(Some).map_err(|error| failed(error.to_string()))
    }

    /// The task's CPU limit in thousandths of a core.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of cores above zero"
    )]
    pub fn cpu_limit_millicores(&self) -> Option<u64> {
        let cores = self.limits.cpu.filter(|cores| cores.is_finite() && *cores > 0.0)?;
        Some((cores * 1_000.0).round() as u64)
    }
}

/// The body of what one GET returns. HTTP/1.0, so the answer ends where the connection does.
fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let rest = url.strip_prefix("http://").ok_or("its address does not begin with http://")?;
    let (host, path) = rest.split_once('/').ok_or("its address has no path")?;
    let place = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let text = |error: std::io::Error| error.to_string();
    let address = place.to_socket_addrs().map_err(text)?.next().ok_or("its name has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(text)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(text)?;
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(text)?;
    let mut answer = Vec::new();
    stream.take(BYTES_MAX).read_to_end(&mut answer).map_err(text)?;
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or("no whole answer")?;
    let status = String::from_utf8_lossy(&answer[..head]);
    let status = status.lines().next().unwrap_or_default().to_owned();
    if status.split_ascii_whitespace().nth(1) != Some("200") {
        return Err(status);
    }
    Ok(answer.split_off(head + 4))
}

//! Rounds: in each, every client of a group plays once, so that ratios are taken between runs that
//! lie seconds apart.

use std::io;
use std::time::Duration;

use crate::clients::{Client, Job, Run};
use crate::rows::{Against, Group, Pair};
use crate::servers::Server;
use crate::table::{self, Spread};
use crate::tools::Tools;

/// How much is measured.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// How long each client plays in a round.
    pub(crate) time: Duration,
}

/// Plays a group, and prints its lines of the table; how many runs failed.
pub(crate) fn play(group: &Group, plan: &Plan, tools: &Tools) -> io::Result<usize> {
    if let Some(why) = group.server.missing(tools) {
        println!("| {} | | | | | | skipped: {why} |", group.name);
        return Ok(0);
    }
    let server = Server::start(group.server, tools)?;
    let mut runs: Vec<(Client, Vec<Option<Run>>)> = Vec::new();
    for client in group.clients(tools.k6.is_some()) {
        if client.missing(tools).is_none() {
            runs.push((client, Vec::new()));
        }
    }
    let mut failures = 0;
    for _ in 0..plan.rounds {
        for (client, runs) in &mut runs {
            let job = Job {
                server: &server,
                load: group.load,
                connections: group.connections,
                time: plan.time,
            };
            let run = client.run(tools, &job);
            if let Err(error) = &run {
                eprintln!("{}: {error}", group.name);
                failures += 1;
            }
            runs.push(run.ok());
        }
    }
    for pair in &group.pairs {
        table::pair(group, pair, &compared(pair, &runs, tools));
    }
    for (client, runs) in &runs {
        table::client(group, *client, runs.iter().flatten());
    }
    Ok(failures)
}

/// A pair's ratios, round by round, or why there are none.
fn compared(
    pair: &Pair,
    runs: &[(Client, Vec<Option<Run>>)],
    tools: &Tools,
) -> Result<Spread, String> {
    let (other, factor) = match pair.against {
        Against::Client(client) => (client, 1.0),
        Against::K6 { .. } if tools.k6.is_some() => (Client::K6, 1.0),
        Against::K6 { times_wrk } => (Client::Wrk, times_wrk),
    };
    for client in [pair.subject, other] {
        if let Some(why) = client.missing(tools) {
            return Err(format!("skipped: {why}"));
        }
    }
    let of = |wanted: Client| runs.iter().find(|(client, _)| *client == wanted);
    let (Some((_, subject)), Some((_, other))) = (of(pair.subject), of(other)) else {
        return Err("skipped: nobody to compare with".to_owned());
    };
    let ratios = subject.iter().zip(other).filter_map(|(subject, other)| {
        let (subject, other) = (subject.as_ref()?, other.as_ref()?);
        Some(subject.cpu_us_per_request() / (factor * other.cpu_us_per_request()))
    });
    Spread::of(ratios).ok_or_else(|| "failed in every round".to_owned())
}

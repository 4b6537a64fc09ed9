//! The run verifies itself: when the load has ended, a part of its sessions is replayed before the
//! report is printed.
//!
//! From the file, so that writing and reading are tried too. What the report shows as examples is
//! among them. A session that does not replay is a bug of Tallyho (or of a bot that is not
//! deterministic), and is put beside the report in a file that replays anywhere.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use tallyho_replay::trace::{Found, Header, TraceError, TraceReader, Wanted};
use tallyho_replay::{Registry, Who};

use super::recorded::{self, Recording};
use crate::commands::trace::write_capsule;
use crate::commands::verify::{Budget, Means, Sample, Tally, thread_cpu, verify as replay_all};
use crate::engine::{RunResult, TraceResult};
use crate::report::VerifiedReport;

/// Of so many sessions one is replayed.
const SHARE: u64 = 1_000;
/// At least so many.
const SESSIONS_MIN: u64 = 20;
/// They are held in memory until they are replayed.
const SESSIONS_MAX: u64 = 20_000;
/// What finding and replaying them may cost.
const CPU_MAX: Duration = Duration::from_secs(5);

/// Replays a part of the run. Whatever goes wrong is in the report and stops nothing.
pub(super) fn verify(
    recording: &Recording<'_>,
    result: &RunResult,
    trace: &TraceResult,
    bots: &Registry,
) -> VerifiedReport {
    let folder = recording.folder.path();
    let path = folder.join(recorded::file_name(recording.args.task_index, None));
    let examples = result.failing.values().filter(|group| group.is_recorded);
    let wanted = Choice {
        examples: examples.map(|group| group.example).collect(),
        count: (trace.totals.started / SHARE).clamp(SESSIONS_MIN, SESSIONS_MAX),
        started: trace.totals.started,
        threads: recording.ground.machine.pins.len(),
    };
    file(&path, wanted, bots).unwrap_or_else(|error| VerifiedReport {
        error: Some(format!("{error:#}")),
        ..VerifiedReport::default()
    })
}

/// Which sessions, and on how many threads.
struct Choice {
    examples: BTreeSet<Who>,
    count: u64,
    /// Of so many.
    started: u64,
    threads: usize,
}

impl Choice {
    /// From every how-manieth block of the file they are chosen: from so few that reading them is
    /// no great part of what the run costs. Examples are wherever they are.
    fn every(&self, blocks: usize) -> usize {
        if !self.examples.is_empty() {
            return 1;
        }
        let lots = self.started / (self.count * CANDIDATES).max(1);
        (blocks / BLOCKS_MIN).min(usize::try_from(lots).unwrap_or(usize::MAX)).max(1)
    }
}

/// A session is chosen from at least so many.
const CANDIDATES: u64 = 4;
/// They lie in at least so many blocks, from all over the run, if the file has as many.
const BLOCKS_MIN: usize = 8;

fn file(path: &Path, choice: Choice, bots: &Registry) -> anyhow::Result<VerifiedReport> {
    if !path.metadata().is_ok_and(|file| file.is_file()) {
        bail!("the trace did not go to a file");
    }
    let (budget, then) = (Budget::new(CPU_MAX), thread_cpu());
    let mut reader = TraceReader::open(File::open(path)?)?;
    let header = reader.header().clone();
    let threads = choice.threads;
    let chosen = choose(&mut reader, choice, then)?;
    budget.spend_since(then);
    let means = Means { header: &header, bots, budget: &budget, threads };
    // A bot's panic is a part of its session and replays as such; the hook would print it.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let tally = replay_all(&means, |each| {
        chosen.into_iter().for_each(each);
        Ok(())
    });
    std::panic::set_hook(hook);
    let tally = tally?;
    let capsules = capsules(path, &header, &mut reader, &tally)?;
    let cpu_us = u64::try_from(budget.spent().as_micros()).unwrap_or(u64::MAX);
    Ok(VerifiedReport {
        sessions: tally.exact + tally.partial + tally.different,
        steps: tally.steps,
        different: tally.different,
        difference: tally.differences.first().map(|(_, difference)| difference.clone()),
        capsules,
        cpu_us,
        error: None,
    })
}

/// The examples, and as many others: chosen by their numbers, from as much of the file as half of
/// the time allows to read.
fn choose(
    reader: &mut TraceReader<File>,
    mut choice: Choice,
    then: Duration,
) -> Result<Vec<Found>, TraceError> {
    let mut chosen = Vec::new();
    let mut sample = Sample::new(choice.count);
    let mut seen = 0_u64;
    let wanted = Wanted { every: choice.every(reader.blocks()), ..Wanted::default() };
    reader.sessions(&wanted, |found| {
        if choice.examples.remove(&found.who) {
            chosen.push(found);
        } else {
            sample.offer(found);
        }
        seen += 1;
        let is_late = seen.is_multiple_of(256) && thread_cpu().saturating_sub(then) > CPU_MAX / 2;
        if is_late { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    for who in choice.examples {
        let wanted = Wanted {
            scenario: Some(who.scenario),
            bot: Some(who.bot),
            session: Some(who.session),
            ..Wanted::default()
        };
        reader.sessions(&wanted, |found| {
            chosen.push(found);
            ControlFlow::Continue(())
        })?;
    }
    chosen.extend(sample.into_chosen());
    Ok(chosen)
}

/// Puts what does not replay beside the report.
fn capsules(
    path: &Path,
    header: &Header,
    reader: &mut TraceReader<File>,
    tally: &Tally,
) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for (found, _) in &tally.differences {
        // No `.tly`: the run's own traces are what ends so.
        let name = format!("differs-{}-{}.capsule", found.who.bot, found.who.session);
        let exchange = reader.exchange(found.who)?;
        let path = path.with_file_name(&name);
        write_capsule(&path, header, found.clone(), exchange)
            .with_context(|| path.display().to_string())?;
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tallyho_replay::trace::{
        Batch, NotRecorded, Piece, PieceEnd, ScenarioHeader, TraceWriter, WorkerCounts,
    };
    use tallyho_replay::{
        Carry, Command, Event, Input, ResponseParts, RunFacts, Scratch, Session, Start,
    };

    use super::*;

    /// A trace of sessions that get this URL, said to be of a bot that gets the other one.
    fn trace(path: &Path, url: &str, said: &str) {
        let config = |url: &str| serde_json::json!({ "method": "GET", "url": url });
        let facts = Rc::new(RunFacts { seed: 1, ..RunFacts::default() });
        let bots = tallyho_bots::registry();
        let name = bots.names().next().expect("a built-in bot");
        let made = bots.bot(name, &config(url).to_string()).expect("there").expect("valid");
        let scenario = ScenarioHeader {
            name: "default".to_owned(),
            key: 5,
            bot: name.to_owned(),
            bot_version: made.version(),
            config: config(said),
        };
        let header = Header { scenarios: vec![scenario], ..Header::new(&facts) };
        let mut writer = TraceWriter::new(File::create(path).unwrap(), &header).unwrap();
        let mut session = Session::new(&Rc::new(made), &facts, &Scratch::new());
        let mut batch = Batch { counts: WorkerCounts::default(), ..Batch::default() };
        for bot in 0..30 {
            let who = Who { scenario: 5, bot, session: 0 };
            let start = Start { who, carry: Carry::Own, setup: None, at_us: 0, stopping: false };
            let mut command = session.start(start);
            while command == Command::Send {
                let parts = ResponseParts { status: 200, ..ResponseParts::default() };
                let event = Event::Response(parts);
                command = session.step(Input { at_us: 1, stopping: false, event });
            }
            let before = batch.bytes.len();
            session.take_record(&mut batch.bytes);
            let (size, end) = (batch.bytes.len() - before, PieceEnd::Whole);
            batch.pieces.push(Piece { who, number: 0, start: None, size, end, signature: None });
        }
        writer.write(&batch).unwrap();
        let (_, closed) = writer.finish(30, NotRecorded::default());
        closed.unwrap();
    }

    fn verified(name: &str, said: &str) -> (VerifiedReport, std::path::PathBuf) {
        let folder = std::env::temp_dir().join(format!("tallyho-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("trace-0.tly");
        trace(&path, "http://127.0.0.1/a", said);
        let examples = BTreeSet::from([Who { scenario: 5, bot: 29, session: 0 }]);
        let choice = Choice { examples, count: SESSIONS_MIN, started: 30, threads: 2 };
        (file(&path, choice, &tallyho_bots::registry()).unwrap(), folder)
    }

    #[test]
    fn twenty_sessions_and_the_examples_are_replayed_and_agree() {
        let (report, folder) = verified("agrees", "http://127.0.0.1/a");
        assert_eq!((report.sessions, report.steps, report.different), (21, 42, 0), "{report:?}");
        assert!(report.cpu_us > 0 && report.capsules.is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_session_that_does_not_replay_is_reported_with_its_capsule() {
        let (report, folder) = verified("differs", "http://127.0.0.1/b");
        assert_eq!((report.sessions, report.different), (21, 21), "{report:?}");
        assert!(report.difference.is_some_and(|text| text.contains("differs at step 0")));
        assert!(!report.capsules.is_empty());
        for capsule in report.capsules {
            let reader = TraceReader::open(File::open(folder.join(capsule)).unwrap()).unwrap();
            assert_eq!(reader.totals().map(|totals| totals.exact), Some(1));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

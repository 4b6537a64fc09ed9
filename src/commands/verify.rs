//! Many sessions replayed, on all cores: how many agree, and the first that do not.

use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tallyho_replay::Registry;
use tallyho_replay::replayer::{ReplayEnd, ReplayError, replay};
use tallyho_replay::trace::{Found, FoundEnd, Header, TraceError};

use super::traces::Stage;
use crate::output;

/// Differences that are printed in full.
const DIFFERENCES_MAX: usize = 5;
/// Sessions that a thread is given at once.
const GROUP: usize = 64;

/// What became of many replays.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Whole sessions that agree to the end.
    pub(super) exact: u64,
    /// Sessions that were cut off, and agree up to there.
    pub(super) partial: u64,
    /// Steps that agree.
    pub(super) steps: u64,
    /// Sessions that do not agree.
    pub(super) different: u64,
    /// The first of them, and how they differ.
    pub(super) differences: Vec<(Found, String)>,
    /// Sessions for which the budget had no time.
    pub(super) left_out: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.exact += other.exact;
        self.partial += other.partial;
        self.steps += other.steps;
        self.different += other.different;
        self.left_out += other.left_out;
        self.differences.extend(other.differences);
        self.differences.truncate(DIFFERENCES_MAX);
    }

    pub(super) fn agrees(&self) -> bool {
        self.different == 0
    }

    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for (_, difference) in &self.differences {
            text.push_str(&output::plain(difference));
            text.push_str("\n\n");
        }
        let Self { exact, partial, steps, different, .. } = self;
        let all = exact + partial + different;
        let sessions = output::counted(all, "session");
        text.push_str(&format!(
            "{sessions} replayed, {} agree\n  {exact} exact, {partial} exact as far as they are \
             recorded, {different} differ\n",
            output::counted(*steps, "step")
        ));
        text
    }

    fn replay(&mut self, stage: &Stage, found: Found) {
        match judge(stage, &found) {
            Ok((steps, true)) => {
                self.exact += 1;
                self.steps += u64::from(steps);
            }
            Ok((steps, false)) => {
                self.partial += 1;
                self.steps += u64::from(steps);
            }
            Err(difference) => {
                self.different += 1;
                if self.differences.len() < DIFFERENCES_MAX {
                    self.differences.push((found, difference));
                }
            }
        }
    }
}

/// How many steps agree and whether they are the whole session; or what differs.
pub(super) fn judge(stage: &Stage, found: &Found) -> Result<(u32, bool), String> {
    let who = found.who;
    let bot = stage.bot(who.scenario);
    let bot = bot.ok_or_else(|| format!("session {who}: its scenario is not in the header"))?;
    let replayed = replay(bot, &stage.facts, &found.record);
    let replayed = replayed.map_err(|error| match error {
        // It names the session itself.
        ReplayError::Differs(difference) => difference.to_string(),
        error => format!("session {who}: {error}"),
    })?;
    let is_whole = matches!(replayed.end, ReplayEnd::Whole { .. });
    if replayed.who != who {
        return Err(format!("session {who}: its record is that of session {}", replayed.who));
    }
    if found.end == FoundEnd::Whole && !is_whole {
        let steps = replayed.steps;
        return Err(format!("session {who}: its record ends after {steps} steps, before it does"));
    }
    Ok((replayed.steps, is_whole))
}

/// CPU time that replays may take in all.
#[derive(Debug)]
pub(super) struct Budget {
    spent_ns: AtomicU64,
    limit: Duration,
}

impl Budget {
    pub(super) const fn unlimited() -> Self {
        Self::new(Duration::MAX)
    }

    pub(super) const fn new(limit: Duration) -> Self {
        Self { spent_ns: AtomicU64::new(0), limit }
    }

    /// Adds what the calling thread has used since then.
    pub(super) fn spend_since(&self, then: Duration) {
        let nanos = thread_cpu().saturating_sub(then).as_nanos();
        self.spent_ns.fetch_add(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed))
    }

    fn is_spent(&self) -> bool {
        self.spent() >= self.limit
    }

    /// Does something that counts, if anything does: looking at a thread's CPU time twice takes a
    /// tenth of the time of a short session.
    fn spend(&self, something: impl FnOnce()) {
        if self.limit == Duration::MAX {
            return something();
        }
        let then = thread_cpu();
        something();
        self.spend_since(then);
    }
}

/// CPU time of the calling thread.
pub(super) fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// What many sessions are replayed with.
pub(super) struct Means<'a> {
    pub(super) header: &'a Header,
    pub(super) bots: &'a Registry,
    pub(super) budget: &'a Budget,
    pub(super) threads: usize,
}

/// A thread for each core that this process may use.
pub(super) fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Replays what `feed` gives.
pub(super) fn verify(
    means: &Means<'_>,
    feed: impl FnOnce(&mut dyn FnMut(Found)) -> Result<(), TraceError>,
) -> anyhow::Result<Tally> {
    // What is wrong with the header is said once.
    Stage::new(means.header, means.bots)?;
    let threads = means.threads;
    let (sender, receiver) = sync_channel::<Vec<Found>>(2 * threads);
    let receiver = Mutex::new(receiver);
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| work(means, &receiver))).collect();
        let mut group = Vec::with_capacity(GROUP);
        let fed = feed(&mut |found| {
            group.push(found);
            if group.len() == GROUP {
                let _workers_are_gone = sender.send(std::mem::take(&mut group));
            }
        });
        let _workers_are_gone = sender.send(group);
        drop(sender);
        let mut tally = Tally::default();
        for worker in workers {
            tally.add(worker.join().map_err(|_| anyhow::anyhow!("a replay ended in a bug"))?);
        }
        fed?;
        Ok(tally)
    })
}

fn work(means: &Means<'_>, groups: &Mutex<Receiver<Vec<Found>>>) -> Tally {
    let mut tally = Tally::default();
    let Ok(stage) = Stage::new(means.header, means.bots) else { return tally };
    loop {
        let group = groups.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(group) = group else { return tally };
        for found in group {
            if means.budget.is_spent() {
                tally.left_out += 1;
                continue;
            }
            means.budget.spend(|| {
                let replayed = catch_unwind(AssertUnwindSafe(|| tally.replay(&stage, found)));
                if replayed.is_err() {
                    tally.different += 1;
                }
            });
        }
    }
}

/// So many sessions, chosen by their numbers and not by chance.
pub(super) struct Sample {
    count: usize,
    /// The greatest on top.
    chosen: BinaryHeap<Chosen>,
}

struct Chosen {
    rank: u64,
    found: Found,
}

impl Sample {
    pub(super) fn new(count: u64) -> Self {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Self { count, chosen: BinaryHeap::new() }
    }

    pub(super) fn offer(&mut self, found: Found) {
        let who = found.who;
        let rank = (who.bot.rotate_left(32) ^ who.session ^ who.scenario)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let is_full = self.chosen.len() >= self.count;
        if is_full && self.chosen.peek().is_none_or(|last| last.rank <= rank) {
            return;
        }
        self.chosen.push(Chosen { rank, found });
        if self.chosen.len() > self.count {
            self.chosen.pop();
        }
    }

    pub(super) fn into_chosen(self) -> impl Iterator<Item = Found> {
        self.chosen.into_iter().map(|chosen| chosen.found)
    }
}

impl PartialEq for Chosen {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Chosen {}

impl PartialOrd for Chosen {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Chosen {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

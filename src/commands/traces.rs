//! The traces of a run: found, opened, and their bots made again.
//!
//! A trace may come by mail: what is in it opens no socket and no file beside the trace.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use tallyho_replay::flow::{self, Definition, Flow, Program};
use tallyho_replay::trace::{Header, ScenarioHeader, TraceReader, Wanted};
use tallyho_replay::{BotType, Registry, RunFacts, Site};

use super::remote;
use crate::exit::BadUsage;
use crate::output;

/// What the name of a trace file ends with.
const EXTENSION: &str = "tly";

/// One file of a run.
pub(super) struct Trace {
    pub(super) path: PathBuf,
    pub(super) reader: TraceReader<File>,
}

impl Trace {
    /// Opens a file; messages name it as `shown`.
    fn open(file: &Path, shown: &Path) -> anyhow::Result<Self> {
        let reader = File::open(file).map_err(anyhow::Error::from);
        let reader = reader.and_then(|file| Ok(TraceReader::open(file)?));
        let reader = reader.with_context(|| shown.display().to_string())?;
        Ok(Self { path: shown.to_owned(), reader })
    }
}

fn is_trace(extension: &OsStr) -> bool {
    extension == EXTENSION
}

/// A run's traces, one for each of its tasks.
pub(super) struct Traces(pub(super) Vec<Trace>);

impl Traces {
    /// Opens the traces of a run: its folder, its id in `runs`, a file, or any of these in S3.
    ///
    /// # Errors
    ///
    /// If there are none, or one cannot be read.
    pub(super) fn open(run: &Path) -> anyhow::Result<Self> {
        let fetched = remote::fetch(run, |name| {
            name.starts_with("trace-") && Path::new(name).extension().is_some_and(is_trace)
        })?;
        if let Some(fetched) = fetched {
            // The files may go once they are open.
            let traces = fetched.files.iter().map(|file| Trace::open(file, run));
            return Ok(Self(traces.collect::<anyhow::Result<_>>()?));
        }
        let in_runs = Path::new("runs").join(run);
        let run = if !run.exists() && in_runs.exists() { in_runs.as_path() } else { run };
        let mut traces = Vec::new();
        for path in files(run)? {
            traces.push(Trace::open(&path, &path)?);
        }
        Ok(Self(traces))
    }

    /// Says on standard error what is wrong with the files; whether anything is damaged.
    pub(super) fn show_damage(&self) -> bool {
        for Trace { path, reader } in &self.0 {
            for damage in reader.damages() {
                output::complain(&format!("error: {}: {damage}", path.display()));
            }
            if let Some(torn) = reader.torn() {
                let is_whole_before = reader.damages().is_empty();
                let advice = "; `tallyho trace recover` cuts it off";
                let advice = if is_whole_before { advice } else { "" };
                output::complain(&format!("note: {}: {torn}{advice}", path.display()));
            }
        }
        self.0.iter().any(|trace| !trace.reader.damages().is_empty())
    }
}

/// The trace files of a folder, or the one file.
fn files(run: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if run.is_file() {
        return Ok(vec![run.to_owned()]);
    }
    let failed = || format!("{}: cannot read the run's folder", run.display());
    let (mut files, mut folders) = (Vec::new(), vec![run.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(failed)? {
            let path = entry.with_context(failed)?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                files.push(path);
            } else if folder == run && path.is_dir() {
                // The folder of one of several tasks.
                folders.push(path);
            }
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("{}: there is no trace; was it run with --record off?", run.display());
    }
    Ok(files)
}

/// Which session: `BOT/N`, or `SCENARIO:BOT/N` where several scenarios have such a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName {
    /// The scenario's name, if it is needed.
    pub scenario: Option<String>,
    /// The bot's number.
    pub bot: u64,
    /// The number of its session.
    pub session: u64,
}

impl FromStr for SessionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || format!("`{text}` is no session; write for example 17/0");
        let (scenario, numbers) = match text.rsplit_once(':') {
            Some((scenario, numbers)) => (Some(scenario.to_owned()), numbers),
            None => (None, text),
        };
        let (bot, session) = numbers.split_once('/').ok_or_else(help)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| help());
        Ok(Self { scenario, bot: number(bot)?, session: number(session)? })
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scenario {
            Some(scenario) => write!(f, "{scenario}:{}/{}", self.bot, self.session),
            None => write!(f, "{}/{}", self.bot, self.session),
        }
    }
}

impl SessionName {
    /// What is to be looked for.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            scenario: self.scenario.as_deref().map(|name| Site::of(name).key()),
            bot: Some(self.bot),
            session: Some(self.session),
            ..Wanted::default()
        }
    }
}

/// What sessions of a trace are replayed with.
pub(super) struct Stage {
    pub(super) facts: Rc<RunFacts>,
    /// By the scenario's key: a hostile header could have as many as there are sessions.
    bots: BTreeMap<u64, Cast>,
}

/// A scenario's kind of bot.
struct Cast {
    bot: Rc<BotType>,
    /// What a declared bot runs.
    program: Option<Rc<Program>>,
}

impl Stage {
    /// The run and its bots, as the header says.
    ///
    /// # Errors
    ///
    /// A bot that this build does not have, or a configuration that it cannot read.
    pub(super) fn new(header: &Header, registry: &Registry) -> anyhow::Result<Self> {
        let facts = header.facts();
        let facts = facts
            .map_err(|error| anyhow!(output::plain(&format!("the trace's header: {error}"))))?;
        let mut bots = BTreeMap::new();
        for scenario in &header.scenarios {
            let cast = cast(scenario, registry).map_err(|error| {
                let text = format!("the trace's scenario {}: {error:#}", scenario.name);
                anyhow!(output::plain(&text))
            });
            let cast = cast?;
            bots.entry(scenario.key).or_insert(cast);
        }
        Ok(Self { facts: Rc::new(facts), bots })
    }

    /// The bots of a scenario.
    pub(super) fn bot(&self, key: u64) -> Option<&Rc<BotType>> {
        self.cast(key).map(|cast| &cast.bot)
    }

    /// The label of a draw's site, if it is known.
    pub(super) fn label(&self, scenario: u64, site: Site) -> Option<&str> {
        if !site.label().is_empty() {
            return Some(site.label());
        }
        self.cast(scenario)?.program.as_ref()?.label(site)
    }

    fn cast(&self, key: u64) -> Option<&Cast> {
        self.bots.get(&key)
    }
}

/// A kind of bot, as a trace's header describes it.
fn cast(scenario: &ScenarioHeader, registry: &Registry) -> anyhow::Result<Cast> {
    if scenario.bot == <Flow as tallyho_replay::Bot>::NAME {
        let definition: Definition = serde_json::from_value(scenario.config.clone())?;
        let program = flow::compile(&definition)
            .map_err(|error| anyhow!("its bot does not compile: {error}"))?;
        let program = Rc::new(program);
        let bot = Rc::new(BotType::new::<Flow>(Rc::clone(&program)));
        return Ok(Cast { bot, program: Some(program) });
    }
    match registry.bot(&scenario.bot, &scenario.config.to_string()) {
        Some(made) => Ok(Cast { bot: Rc::new(made?), program: None }),
        None => bail!("this build has no bot named {}", scenario.bot),
    }
}

/// The error for a session that is not there.
pub(super) fn not_found(name: &SessionName, run: &Path) -> anyhow::Error {
    let run = run.display();
    BadUsage(format!(
        "{run}: session {name} is not in the trace; `tallyho sessions {run}` lists them"
    ))
    .into()
}

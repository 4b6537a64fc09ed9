//! What is compared with nobody: growth, memory, pacing, replay, and a soak.

use std::io;
use std::time::Duration;

use serde_json::Value;

use crate::clients::{CORE, Driver, Job, Load};
use crate::measure::{self, Used, Watch, pinned};
use crate::servers::{Kind, Server};
use crate::table;
use crate::tallyho;
use crate::tools::Tools;

/// How large the measurements are.
pub(crate) struct Size {
    pub(crate) time: Duration,
    /// Rounds of what is told as a ratio.
    pub(crate) rounds: usize,
    /// Bots whose memory is measured.
    pub(crate) idle_bots: usize,
    pub(crate) bots: &'static [usize],
    /// None if it is zero.
    pub(crate) soak: Duration,
}

/// Bots of the growing runs. More connections than this one process may not have: files are limited
/// to 20,000 on many machines.
pub(crate) const BOTS: &[usize] = &[10, 100, 1_000, 10_000, 19_000];

/// The parts by name, in order.
const PARTS: &[&str] =
    &["growth", "sizes", "mixed", "workers", "memory", "pacing", "replay", "soak"];

/// A run of Tallyho's and its run.json.
struct Played {
    used: Used,
    run: Value,
}

impl Played {
    fn requests(&self) -> f64 {
        tallyho::requests(&self.run).unwrap_or(0) as f64
    }

    fn cpu_us_per_request(&self) -> f64 {
        self.used.cpu_us as f64 / self.requests().max(1.0)
    }

    fn lag_p99_us(&self) -> f64 {
        let lag = &self.run["summary"]["schedule_lag"];
        lag["p99_us"].as_f64().or(lag["max_us"].as_f64()).unwrap_or(f64::NAN)
    }
}

/// What this module's measurements need.
pub(crate) struct Singles<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) size: &'a Size,
    pub(crate) is_wanted: &'a dyn Fn(&str) -> bool,
}

impl Singles<'_> {
    /// All of them; how many failed.
    pub(crate) fn all(&self) -> usize {
        let drivers = match self.tools.has_uring {
            true => &[Driver::Uring, Driver::Epoll][..],
            false => &[Driver::Epoll],
        };
        table::single_head();
        let is_wanted = |name: &&&str| (self.is_wanted)(name);
        let mut failures = 0;
        for &name in PARTS.iter().filter(is_wanted) {
            for &driver in drivers {
                if let Err(error) = self.part(name, driver) {
                    println!("| {name}, {} | failed: {error} | | |", driver.word());
                    failures += 1;
                }
            }
        }
        failures
    }

    fn part(&self, name: &str, driver: Driver) -> io::Result<()> {
        match name {
            "growth" => self.growth(driver),
            "sizes" => self.sizes(driver),
            "mixed" => self.mixed(driver),
            "workers" => self.workers(driver),
            "memory" => self.memory(driver),
            "pacing" => self.pacing(driver),
            "replay" => self.replay(driver),
            _ => self.soak(driver),
        }
    }

    fn play(&self, driver: Driver, job: &Job<'_>, words: &[&str]) -> io::Result<Played> {
        let command = tallyho::command(self.tools, driver, job, words)?;
        self.finish(command, Vec::new(), job.time)
    }

    fn finish(
        &self,
        command: std::process::Command,
        looks: Vec<Duration>,
        time: Duration,
    ) -> io::Result<Played> {
        let patience = 3 * time + Duration::from_secs(60);
        let used = measure::run(command, self.tools.work.path(), &Watch { looks, patience })?;
        let run: Value = serde_json::from_str(&used.stdout).unwrap_or_default();
        if !used.is_success || tallyho::requests(&run).is_none() {
            return Err(io::Error::other(used.last_words().to_owned()));
        }
        Ok(Played { used, run })
    }

    fn job<'a>(&self, server: &'a Server, connections: usize) -> Job<'a> {
        Job { server, load: Load::Get, connections, time: self.size.time }
    }

    fn growth(&self, driver: Driver) -> io::Result<()> {
        for &bots in self.size.bots {
            let server = Server::start(Kind::Fast, self.tools)?;
            let played = self.play(driver, &self.job(&server, bots), &[])?;
            let (cpu, mib) = (played.cpu_us_per_request(), played.used.rss_kib_max / 1024);
            let what = format!("{bots} bots without pause, {}", driver.word());
            table::single(&what, &format!("{cpu:.2} us per request, {mib} MiB"), "-", None);
        }
        Ok(())
    }

    fn sizes(&self, driver: Driver) -> io::Result<()> {
        let server = Server::start(Kind::Fast, self.tools)?;
        for (size, path) in [("100 B", "/100"), ("10 kB", "/10000"), ("1 MB", "/1000000")] {
            let job = self.job(&server, 64);
            let mut command = pinned(CORE, &self.tools.tallyho);
            command.arg("run").arg(server.url(path));
            command.args(["--cores", "1", "--io-driver", driver.word(), "-c", "64"]);
            command.args(["-d", &format!("{}ms", job.time.as_millis())]);
            tallyho::report_to(self.tools, &server, &mut command);
            let played = self.finish(command, Vec::new(), job.time)?;
            let (cpu, mib) = (played.cpu_us_per_request(), played.used.rss_kib_max / 1024);
            let what = format!("64 bots, responses of {size}, {}", driver.word());
            table::single(&what, &format!("{cpu:.2} us per request, {mib} MiB"), "-", None);
        }
        Ok(())
    }

    /// What the flow leaves out, and TLS 1.2.
    fn mixed(&self, driver: Driver) -> io::Result<()> {
        for (kind, name) in [(Kind::Nginx, "plain"), (Kind::NginxTls, "TLS 1.2")] {
            let what = format!("64 bots, mixed requests, {name}, {}", driver.word());
            if let Some(why) = kind.missing(self.tools) {
                println!("| {what} | skipped: {why} | | |");
                continue;
            }
            let server = Server::start(kind, self.tools)?;
            let scenario = self.tools.work.file("mixed.json", tallyho::MIXED)?;
            let mut command = pinned(CORE, &self.tools.tallyho);
            command.arg("run").arg(scenario).args(["--target", &server.url("")]);
            command.args(["--cores", "1", "--io-driver", driver.word(), "-c", "64"]);
            command.args(["-d", &format!("{}ms", self.size.time.as_millis()), "--tls-max", "1.2"]);
            tallyho::report_to(self.tools, &server, &mut command);
            let played = self.finish(command, Vec::new(), self.size.time)?;
            let cpu = played.cpu_us_per_request();
            table::single(&what, &format!("{cpu:.2} us per request"), "-", None);
        }
        Ok(())
    }

    /// Two workers beside one.
    fn workers(&self, driver: Driver) -> io::Result<()> {
        let server = Server::start(Kind::Fast, self.tools)?;
        let play = |cores: &str, workers: &str| {
            let mut command = pinned(cores, &self.tools.tallyho);
            command.arg("run").arg(server.url("/"));
            command.args(["--cores", workers, "--io-driver", driver.word()]);
            command.args(["-c", "64", "-d", &format!("{}ms", self.size.time.as_millis())]);
            tallyho::report_to(self.tools, &server, &mut command);
            let played = self.finish(command, Vec::new(), self.size.time)?;
            io::Result::Ok(played.cpu_us_per_request())
        };
        let mut ratios = Vec::new();
        for _ in 0..self.size.rounds {
            let one = play("0", "1")?;
            ratios.push(play("0,1", "2")? / one);
        }
        let what =
            format!("2 workers beside 1, {} (the second shares the server's core)", driver.word());
        table::spread(&what, "", ratios, 1.05);
        Ok(())
    }

    /// Memory of bots that have been served once and wait.
    fn memory(&self, driver: Driver) -> io::Result<()> {
        for (kind, name, target) in [(Kind::Fast, "plain", 6.0), (Kind::NginxTls, "TLS", 16.0)] {
            if let Some(why) = kind.missing(self.tools) {
                println!("| memory of an idle bot, {name} | skipped: {why} | | |");
                continue;
            }
            let server = Server::start(kind, self.tools)?;
            let few = self.resident(driver, &server, 10)?;
            let many = self.resident(driver, &server, self.size.idle_bots)?;
            let kib = (many - few) / (self.size.idle_bots - 10) as f64;
            let what = format!(
                "memory of an idle bot, {name}, at {} bots, {}",
                self.size.idle_bots,
                driver.word()
            );
            let target_text = format!("{target:.0} KiB");
            table::single(&what, &format!("{kib:.2} KiB"), &target_text, Some(kib <= target));
        }
        self.players_memory(driver)
    }

    /// Memory of TallyUp players in real time, whose API and Cognito are two hosts.
    fn players_memory(&self, driver: Driver) -> io::Result<()> {
        let (few, many) = (10, self.size.idle_bots);
        // Logins take turns; then there is time for everybody to have been about.
        let time = Duration::from_secs(5 + 2 * many as u64 / LOGINS_PER_SEC);
        let mut kib = [0.0; 2];
        for (kib, bots) in kib.iter_mut().zip([few, many]) {
            let server = Server::start(Kind::StandIn, self.tools)?;
            let text = players(bots, server.address.port(), time)?;
            let scenario = self.tools.work.file("players.json", &text)?;
            let mut command = pinned(CORE, &self.tools.tallyho);
            command.arg("run").arg(scenario).args(["--target", &server.url("")]);
            command.args(["--cores", "1", "--io-driver", driver.word(), "--drain", "1s"]);
            tallyho::report_to(self.tools, &server, &mut command);
            let look = time - Duration::from_millis(300);
            let played = self.finish(command, vec![look], time)?;
            if played.requests() < (PLAYER_REQUESTS * bots) as f64 {
                return Err(io::Error::other("not every player got in in time"));
            }
            let seen = played.used.rss_kib_at.first().copied();
            *kib = seen.ok_or_else(|| io::Error::other("it ended too early"))? as f64;
        }
        let each = (kib[1] - kib[0]) / (many - few) as f64;
        let what = format!("memory of an idle TallyUp bot at {many} bots, {}", driver.word());
        table::single(&what, &format!("{each:.2} KiB"), "16 KiB", Some(each <= 16.0));
        Ok(())
    }

    fn resident(&self, driver: Driver, server: &Server, bots: usize) -> io::Result<f64> {
        let scenario = self.tools.work.file("idle.json", IDLE)?;
        // Thousands of TLS handshakes take the server some seconds.
        let time = Duration::from_millis(2_000 + 1_500 * bots as u64 / 1_000);
        let mut command = pinned(CORE, &self.tools.tallyho);
        command.arg("run").arg(scenario).args(["--target", &server.url("")]);
        command.args(["--cores", "1", "--io-driver", driver.word(), "--drain", "1s"]);
        command.args(["-c", &bots.to_string(), "-d", &format!("{}ms", time.as_millis())]);
        tallyho::report_to(self.tools, server, &mut command);
        let look = time - Duration::from_millis(300);
        let played = self.finish(command, vec![look], time)?;
        if played.requests() < bots as f64 {
            return Err(io::Error::other("not every bot was served in time"));
        }
        let seen = played.used.rss_kib_at.first().copied();
        seen.map(|kib| kib as f64).ok_or_else(|| io::Error::other("it ended too early"))
    }

    /// How late requests start at 20,000 arrivals a second, and what that costs beside wake-ups
    /// every millisecond, which is what the runtime's own timers would do.
    fn pacing(&self, driver: Driver) -> io::Result<()> {
        let server = Server::start(Kind::Fast, self.tools)?;
        let job = self.job(&server, 200);
        let play = |interval_us: Option<&str>| {
            let mut command = tallyho::command(self.tools, driver, &job, &["--rate", "20000/s"])?;
            if let Some(interval) = interval_us {
                command.env("TALLYHO_BENCH_WAKE_INTERVAL_US", interval);
            }
            self.finish(command, Vec::new(), job.time)
        };
        let (mut lags, mut wheel_lags, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.size.rounds {
            let (own, wheel) = (play(None)?, play(Some("1000"))?);
            lags.push(own.lag_p99_us() / 1_000.0);
            wheel_lags.push(wheel.lag_p99_us() / 1_000.0);
            ratios.push(own.cpu_us_per_request() / wheel.cpu_us_per_request());
        }
        let what = |what: &str| format!("{what} at 20,000 arrivals/s, {}", driver.word());
        table::spread(&what("schedule lag p99"), " ms", lags, 0.6);
        table::spread(&what("the same waking every 1 ms"), " ms", wheel_lags, f64::INFINITY);
        table::spread(&what("CPU beside waking every 1 ms"), "", ratios, 1.5);
        Ok(())
    }

    /// Every session of a recorded run of the flow again, on one core.
    fn replay(&self, driver: Driver) -> io::Result<()> {
        if driver == Driver::Uring {
            // A trace does not tell by which driver it came about.
            return Ok(());
        }
        let server = Server::start(Kind::Fast, self.tools)?;
        let job = Job { load: Load::Flow, ..self.job(&server, 64) };
        self.play(driver, &job, &[])?;
        let mut command = pinned(CORE, &self.tools.tallyho);
        command.arg("replay").arg(self.tools.work.path().join("run")).arg("--all");
        let watch = Watch::until(10 * self.size.time + Duration::from_secs(30));
        let used = measure::run(command, self.tools.work.path(), &watch)?;
        let line = used.stdout.lines().find_map(|line| line.strip_suffix(" steps agree"));
        let steps: Option<f64> =
            line.and_then(|line| line.rsplit(' ').next()).and_then(|number| number.parse().ok());
        let steps = steps.ok_or_else(|| io::Error::other(used.last_words().to_owned()))?;
        let per_second = steps / (used.cpu_us as f64 / 1e6);
        let measured = format!("{:.2} million steps per second and core", per_second / 1e6);
        table::single(
            "offline replay of the flow",
            &measured,
            "1 million",
            Some(per_second >= 1e6),
        );
        Ok(())
    }

    fn soak(&self, driver: Driver) -> io::Result<()> {
        if self.size.soak.is_zero() {
            return Ok(());
        }
        let server = Server::start(Kind::Fast, self.tools)?;
        let job = Job { load: Load::Flow, time: self.size.soak, ..self.job(&server, 64) };
        let command = tallyho::command(self.tools, driver, &job, &[])?;
        let (early, late) = (self.size.soak / 10, self.size.soak * 9 / 10);
        let played = self.finish(command, vec![early, late], self.size.soak)?;
        let mib: Vec<u64> = played.used.rss_kib_at.iter().map(|kib| kib / 1024).collect();
        let what = format!("soak of {} s, {}", self.size.soak.as_secs(), driver.word());
        let measured = format!(
            "{:.2} us per request, {mib:?} MiB after a tenth and nine tenths",
            played.cpu_us_per_request()
        );
        table::single(&what, &measured, "-", None);
        Ok(())
    }
}

/// First logins of players per second.
const LOGINS_PER_SEC: u64 = 300;
/// What a player asks for at least until it is at home.
const PLAYER_REQUESTS: usize = 17;
const SCENARIO: &str = include_str!("../../../scenarios/tallyup.json");

/// The scenario of the TallyUp bot in real time, with so many bots and with Cognito under another
/// name than the API.
fn players(bots: usize, port: u16, time: Duration) -> io::Result<String> {
    let lines = SCENARIO.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut scenario: Value = serde_json::from_str(&lines.collect::<String>())?;
    let seconds = time.as_secs();
    scenario["vusMax"] = bots.into();
    scenario["delayScale"] = 1.into();
    scenario["stages"] = serde_json::json!([
        {"duration": "5s", "target": bots}, {"duration": format!("{seconds}s"), "target": bots},
    ]);
    scenario["gracefulStop"] = "1s".into();
    scenario["thresholds"] = serde_json::json!({});
    let config = &mut scenario["config"];
    config["cognitoUrl"] = format!("http://localhost:{port}/").into();
    config["loginsPerSec"] = LOGINS_PER_SEC.into();
    config["setUpPauseSec"] = 0.into();
    Ok(scenario.to_string())
}

/// Bots that are served once and then wait for longer than anybody looks.
const IDLE: &str = r#"{"steps": [{"get": "/"}, {"think": "1h"}]}"#;

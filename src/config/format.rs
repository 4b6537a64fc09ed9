//! The scenario format: every object and every key of it.
//! `docs/scenario.md` explains them, `docs/scenario.schema.json` is made of them.

use super::shape::{Key, Kind, Need, Shape};

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, need: Need::Optional, about }
}

const fn required(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, need: Need::Required, about }
}

const TEMPLATES: Kind = Kind::Map(&Kind::Template);
const EXPRESSIONS: Kind = Kind::Map(&Kind::Expression);
const ON_FAILURE: Kind = Kind::Word(&["continue", "leave", "end", "stopBot", "abort"]);
const TLS_VERSIONS: &[&str] = &["tls1.2", "tls1.3"];
const METRIC_KINDS: &[&str] = &["counter", "rate", "gauge", "trend"];
const THRESHOLDS: Kind = Kind::Map(&Kind::OneOrMore(&Kind::TextOr(&THRESHOLD)));

/// Words of `executor`.
pub(super) const EXECUTORS: &[&str] = &[
    "shared-iterations",
    "per-vu-iterations",
    "constant-vus",
    "ramping-vus",
    "constant-arrival-rate",
    "ramping-arrival-rate",
];

/// The whole file.
pub(super) static SCENARIO_FILE: Shape = Shape {
    name: "a scenario",
    about: "A load profile, and the bots that it runs.",
    verbs: &[],
    keys: &[
        key("$schema", Kind::Text, "Where editors find the schema."),
        key("name", Kind::Text, "The name in reports; the file's name where there is none."),
        key("description", Kind::Text, "For people."),
        key("target", Kind::Template, "What paths are relative to: `http://host:port`."),
        key("seed", Kind::Integer(0), "The seed of all draws; a new one for every run without it."),
        key("bot", Kind::Name, "A bot written in Rust, which runs instead of steps and actions."),
        key("config", Kind::Any, "What the bot written in Rust is given."),
        // The load.
        key(
            "executor",
            Kind::Word(EXECUTORS),
            "How sessions are started, if not told by the keys.",
        ),
        key("vus", Kind::Integer(1), "Bots that run at once."),
        key("vusMax", Kind::Integer(0), "Bots of one task, for numbering; computed without it."),
        key("duration", Kind::LoadDuration, "How long sessions are started."),
        key("iterations", Kind::Integer(1), "Sessions in all."),
        key("maxDuration", Kind::LoadDuration, "How long iterations may take together."),
        key("stages", Kind::List(&Kind::Object(&STAGE)), "Ramps, one after another."),
        key("startVUs", Kind::Integer(0), "Bots at the start of the first stage."),
        key("startVus", Kind::Integer(0), "The same."),
        key("startRate", Kind::Integer(0), "Rate at the start of the first stage."),
        key("rate", Kind::Rate, "Sessions started in each `timeUnit`."),
        key("timeUnit", Kind::LoadDuration, "What rates are per; one second without it."),
        key("preAllocatedVUs", Kind::Integer(1), "Bots that are there from the beginning."),
        key("maxVUs", Kind::Integer(1), "Bots at most."),
        key("onNoFreeBot", Kind::Word(&["drop", "wait"]), "What a due session does without a bot."),
        key("startTime", Kind::LoadDuration, "How long to wait before this begins."),
        key("gracefulStop", Kind::LoadDuration, "How long sessions may take to finish at the end."),
        key("gracefulRampDown", Kind::LoadDuration, "The same for bots removed by a ramp."),
        key("scenarios", Kind::Map(&Kind::Object(&SCENARIO)), "Several loads in one run."),
        key("thresholds", THRESHOLDS, "What the run must keep to, by metric."),
        key("tags", Kind::Ignored, "metrics have the tags of docs/load-profiles.md and no others"),
        key("setupTimeout", Kind::LoadDuration, "How long set-up may take; 60 s without it."),
        key("teardownTimeout", Kind::LoadDuration, "How long teardown may take; 60 s without it."),
        key("connections", Kind::Word(&["perBot"]), "Who owns connections: each bot."),
        key("userAgent", Kind::Text, "The User-Agent header of requests that have none."),
        key("maxRedirects", Kind::Integer(0), "Redirects that a request follows; 10 without it."),
        key("cookies", Kind::Bool, "False: no cookie is kept or sent."),
        key("insecureSkipTLSVerify", Kind::Bool, "Accept any certificate."),
        key("tlsAuth", Kind::List(&Kind::Object(&TLS_AUTH)), "Certificates that clients show."),
        key(
            "tlsVersion",
            Kind::WordOr(TLS_VERSIONS, &TLS_RANGE),
            "TLS versions; all that are safe.",
        ),
        key("tlsCipherSuites", Kind::List(&Kind::Text), "Cipher suites; all that are safe."),
        key("tls", Kind::Object(&TLS), "More about TLS, for which k6 has no key."),
        key("hosts", Kind::Map(&Kind::Text), "Hosts, and the addresses their connections go to."),
        key("dns", Kind::Object(&DNS), "How names become addresses."),
        key("delayScale", Kind::Ratio, "Multiplies think times; choices stay the same."),
        // The bots.
        key("env", TEMPLATES, "Values of `env.NAME` where neither -e nor the environment has one."),
        key("data", Kind::Map(&Kind::Object(&DATA)), "Data files, dealt to the bots."),
        key("metrics", Kind::Map(&Kind::WordOr(METRIC_KINDS, &METRIC)), "Metrics of your own."),
        key("defaults", Kind::Object(&DEFAULTS), "What requests do where they say nothing else."),
        key("blocks", Kind::Map(&Kind::Steps), "Steps with a name, for `run`."),
        key(
            "setup",
            Kind::Steps,
            "Once per run, before everything; its `keep` is handed to all bots.",
        ),
        key("teardown", Kind::Steps, "Once per run, at the end."),
        key("setupKeep", Kind::List(&Kind::Name), "Variables of set-up that become `setup.NAME`."),
        key("variables", Kind::Map(&Kind::Any), "Set when a session starts."),
        key("auth", Kind::Object(&AUTH), "How a bot logs in and stays logged in."),
        key("steps", Kind::Steps, "Once per session."),
        key("actions", Kind::Actions, "After the steps: one after another, chosen by weight."),
        key("think", Kind::Delay, "Pause before each action."),
        key("session", Kind::Object(&LIMITS), "When a session with actions ends by itself."),
        key("keep", Kind::List(&Kind::Name), "Variables that the bot's next session starts with."),
        key("bots", Kind::Map(&Kind::Object(&BOT)), "Several bots, for `exec` in scenarios."),
        // k6 options that people have in their files.
        key("batch", Kind::Ignored, "a bot sends one request at a time"),
        key("batchPerHost", Kind::Ignored, "a bot sends one request at a time"),
        key("discardResponseBodies", Kind::Ignored, "bodies that are not read are never kept"),
        key("noConnectionReuse", Kind::Ignored, "connections are kept, as clients do"),
        key("noVUConnectionReuse", Kind::Ignored, "connections belong to bots"),
        key("summaryTrendStats", Kind::Ignored, "every percentile is in run.json"),
        key("summaryTimeUnit", Kind::Ignored, "reports choose the unit"),
        key("systemTags", Kind::Ignored, "all tags are kept"),
    ],
};

static BOT: Shape = Shape {
    name: "a bot",
    about: "What a bot does.",
    verbs: &[],
    keys: &[
        key("variables", Kind::Map(&Kind::Any), "Set when a session starts, after the file's."),
        key("auth", Kind::Object(&AUTH), "How the bot logs in; the file's where there is none."),
        key("steps", Kind::Steps, "Once per session."),
        key("actions", Kind::Actions, "After the steps: one after another, chosen by weight."),
        key("think", Kind::Delay, "Pause before each action."),
        key("session", Kind::Object(&LIMITS), "When a session with actions ends by itself."),
        key("keep", Kind::List(&Kind::Name), "Variables that the bot's next session starts with."),
    ],
};

/// One load of several.
pub(super) static SCENARIO: Shape = Shape {
    name: "a scenario of a run",
    about: "One load of several, with k6's keys.",
    verbs: &[],
    keys: &[
        required("executor", Kind::Word(EXECUTORS), "How sessions are started."),
        key("exec", Kind::Name, "The bot it runs; `default` without it."),
        key("startTime", Kind::LoadDuration, "How long to wait before it begins."),
        key("gracefulStop", Kind::LoadDuration, "How long sessions may take to finish; 30 s."),
        key("env", TEMPLATES, "Values of `env.NAME` in this scenario."),
        key("tags", Kind::Ignored, "a scenario's name is the tag of its metrics"),
        key("vus", Kind::Integer(1), "Bots that run at once."),
        key("iterations", Kind::Integer(1), "Sessions: in all, or of each bot."),
        key("maxDuration", Kind::LoadDuration, "How long iterations may take together; 10 m."),
        key("duration", Kind::LoadDuration, "How long sessions are started."),
        key("startVUs", Kind::Integer(0), "Bots at the start of the first stage; 1."),
        key("stages", Kind::List(&Kind::Object(&STAGE)), "Ramps, one after another."),
        key("gracefulRampDown", Kind::LoadDuration, "Time to finish for bots removed; 30 s."),
        key("rate", Kind::Rate, "Sessions started in each `timeUnit`."),
        key("timeUnit", Kind::LoadDuration, "What rates are per; one second without it."),
        key("preAllocatedVUs", Kind::Integer(1), "Bots that are there from the beginning."),
        key("maxVUs", Kind::Integer(1), "Bots at most."),
        key("startRate", Kind::Integer(0), "Rate at the start of the first stage; 0."),
        key("onNoFreeBot", Kind::Word(&["drop", "wait"]), "What a due session does without a bot."),
    ],
};

static STAGE: Shape = Shape {
    name: "a stage",
    about: "A ramp from where the last one ended.",
    verbs: &[],
    keys: &[
        required("duration", Kind::LoadDuration, "How long; `0s` jumps."),
        required("target", Kind::Integer(0), "Bots, or sessions per time unit, at its end."),
    ],
};

static THRESHOLD: Shape = Shape {
    name: "a threshold",
    about: "What a metric must keep to.",
    verbs: &[],
    keys: &[
        required("threshold", Kind::Text, "For example `p(95)<500`."),
        key("abortOnFail", Kind::Bool, "End the run as soon as it is crossed."),
        key("delayAbortEval", Kind::LoadDuration, "How long to wait before that."),
        key("failOnNoData", Kind::Bool, "Fail when nothing was measured that it speaks of."),
    ],
};

static TLS_AUTH: Shape = Shape {
    name: "a client certificate",
    about: "A certificate that clients show.",
    verbs: &[],
    keys: &[
        key("domains", Kind::List(&Kind::Text), "Hosts that see it, `*.` for all below; all."),
        required("cert", Kind::Text, "A PEM file relative to the scenario, or its text."),
        required("key", Kind::Text, "The same for its key, without a password."),
    ],
};

static TLS_RANGE: Shape = Shape {
    name: "TLS versions",
    about: "The oldest and the newest TLS version.",
    verbs: &[],
    keys: &[
        key("min", Kind::Word(TLS_VERSIONS), "The oldest; `tls1.2`."),
        key("max", Kind::Word(TLS_VERSIONS), "The newest; `tls1.3`."),
    ],
};

static TLS: Shape = Shape {
    name: "TLS",
    about: "More about TLS.",
    verbs: &[],
    keys: &[
        key("cacert", Kind::Text, "Accepted authorities: a PEM file relative to the scenario."),
        key(
            "resumption",
            Kind::Word(&["perBot", "shared", "off"]),
            "Who resumes whose sessions; `perBot`.",
        ),
    ],
};

static DNS: Shape = Shape {
    name: "DNS",
    about: "How names become addresses.",
    verbs: &[],
    keys: &[
        key("ttl", Kind::Text, "When a name is looked up again, or `inf` for never; 5 m."),
        key(
            "select",
            Kind::Word(&["roundRobin", "random", "first"]),
            "Which of several addresses a connection goes to; `roundRobin`.",
        ),
        key(
            "policy",
            Kind::Word(&["preferIPv4", "preferIPv6", "onlyIPv4", "onlyIPv6", "any"]),
            "Which addresses are used; `preferIPv4`.",
        ),
    ],
};

static DATA: Shape = Shape {
    name: "a data source",
    about: "Rows of a file, dealt to the bots by a seeded permutation.",
    verbs: &[],
    keys: &[
        required("file", Kind::Text, "A .csv or .json file, relative to the scenario."),
        key("deal", Kind::Word(&["perBot", "perSession"]), "How long a bot keeps its row."),
        key("secret", Kind::List(&Kind::Name), "Columns that no trace or report may show."),
    ],
};

static METRIC: Shape = Shape {
    name: "a metric",
    about: "A metric of your own.",
    verbs: &[],
    keys: &[
        required("type", Kind::Word(METRIC_KINDS), "As in k6."),
        key("time", Kind::Bool, "Whether a trend is of times, in milliseconds."),
    ],
};

static DEFAULTS: Shape = Shape {
    name: "defaults",
    about: "What requests do where they say nothing else.",
    verbs: &[],
    keys: &[
        key("headers", TEMPLATES, "Put on every request."),
        key("timeout", Kind::Duration, "For a whole response; 60 s without it."),
        key("expect", Kind::Statuses, "Statuses that are not failures; 200 to 399 without it."),
        key("retry", Kind::Object(&RETRY), "When and how requests are tried again."),
        key("onFailure", ON_FAILURE, "What happens to the session when a request fails for good."),
    ],
};

static AUTH: Shape = Shape {
    name: "auth",
    about: "How a bot logs in and stays logged in.",
    verbs: &[],
    keys: &[
        required("login", Kind::Steps, "Runs before the first request that needs it."),
        key("refresh", Kind::Steps, "Runs when the login is about to expire; `login` without it."),
        key("expiresIn", Kind::Expression, "Seconds until it expires; for ever without it."),
        key("margin", Kind::Duration, "Refresh so long before; 60 s without it."),
        key("headers", TEMPLATES, "Put on every request outside of login and refresh."),
        key("keep", Kind::Bool, "Whether the bot's next session goes on with the login."),
    ],
};

static LIMITS: Shape = Shape {
    name: "session",
    about: "When a session with actions ends by itself; otherwise the run's end ends it.",
    verbs: &[],
    keys: &[
        key("actions", Kind::Expression, "After so many actions."),
        key("duration", Kind::Duration, "Before the first action later than this."),
    ],
};

/// A weighted action.
pub(super) static ACTION: Shape = Shape {
    name: "an action",
    about: "Steps that are chosen by weight.",
    verbs: &[],
    keys: &[
        required("name", Kind::Name, "Its name in reports."),
        required("weight", Kind::Expression, "How often, relative to the others."),
        key("when", Kind::Expression, "Whether it can be chosen."),
        required("steps", Kind::Steps, "What it does."),
    ],
};

/// All kinds of steps. A request comes first: its `check` and `auth` are verbs of other steps.
pub(super) static STEPS_KNOWN: [&Shape; 16] = [
    &REQUEST,
    &THINK,
    &SET,
    &IF,
    &WHILE,
    &REPEAT,
    &CHOOSE,
    &RUN,
    &ADD,
    &LOG,
    &COUNT_BOTS,
    &END,
    &FAIL,
    &ABORT,
    &CHECK,
    &LOGIN,
];

/// Words that begin a request.
pub(super) const METHODS: &[&str] = &["get", "post", "put", "patch", "delete", "head", "options"];

static REQUEST: Shape = Shape {
    name: "a request",
    about: "Sends a request and reads its response.",
    verbs: METHODS,
    keys: &[
        key("get", Kind::Template, "GET this path or URL."),
        key("post", Kind::Template, "POST to this path or URL."),
        key("put", Kind::Template, "PUT to this path or URL."),
        key("patch", Kind::Template, "PATCH this path or URL."),
        key("delete", Kind::Template, "DELETE this path or URL."),
        key("head", Kind::Template, "HEAD of this path or URL."),
        key("options", Kind::Template, "OPTIONS of this path or URL."),
        key("name", Kind::Name, "Its name in reports; the path as written without it."),
        key("query", TEMPLATES, "Put behind the path, encoded."),
        key("headers", TEMPLATES, "Header lines."),
        key("json", Kind::Any, "The body as JSON."),
        key("text", Kind::Template, "The body as text."),
        key("form", TEMPLATES, "The body as a form."),
        key("bodyFile", Kind::Text, "The body is this file's, as it is; relative to the scenario."),
        key("timeout", Kind::Duration, "For the whole response."),
        key("expect", Kind::Statuses, "Statuses that are not failures."),
        key("maxRedirects", Kind::Integer(0), "Redirects that it follows; with 0 none."),
        key("capture", Kind::Map(&Kind::TextOr(&CAPTURE)), "Values to read into variables."),
        key("check", EXPRESSIONS, "What must hold, by name."),
        key("retry", Kind::Object(&RETRY), "When and how it is tried again."),
        key("poll", Kind::Object(&POLL), "Send it again until something holds."),
        key("auth", Kind::Bool, "False: without the bot's login."),
        key("onFailure", ON_FAILURE, "What happens to the session when it fails for good."),
    ],
};

static CAPTURE: Shape = Shape {
    name: "a capture",
    about: "A value to read into a variable: one of json, header, cookie and regex.",
    verbs: &["json", "header", "cookie", "regex"],
    keys: &[
        key("json", Kind::Text, "A JSON pointer into the body."),
        key("header", Kind::Text, "A header's name."),
        key("cookie", Kind::Text, "A cookie's name; always a secret."),
        key("regex", Kind::Text, "A pattern to find in the body."),
        key("group", Kind::Integer(0), "The group of the pattern; 1, or 0 where there is none."),
        key("optional", Kind::Bool, "Whether it may be absent."),
        key("default", Kind::Any, "The value when it is absent."),
        key("secret", Kind::Bool, "Whether no trace or report may show it."),
    ],
};

static RETRY: Shape = Shape {
    name: "retry",
    about: "When and how a request is tried again.",
    verbs: &[],
    keys: &[
        required("tries", Kind::Integer(1), "Tries, the first one included."),
        key("on", Kind::OneOrMore(&Kind::Template), "Statuses, and `failure` for no response."),
        key("wait", Kind::Delay, "Pause before the second try; 1 s without it."),
        key("multiplier", Kind::Integer(1), "Each further pause is so many times longer."),
    ],
};

static POLL: Shape = Shape {
    name: "poll",
    about: "Sends a request again until something holds.",
    verbs: &[],
    keys: &[
        required("until", Kind::Expression, "When it is enough."),
        key("every", Kind::Delay, "Pause between two requests; 1 s without it."),
        required("within", Kind::Duration, "Fails when it does not hold after so long."),
    ],
};

static THINK: Shape = Shape {
    name: "a pause",
    about: "Pauses, as a person does.",
    verbs: &["think"],
    keys: &[key("think", Kind::Delay, "How long.")],
};

static SET: Shape = Shape {
    name: "set",
    about: "Sets variables.",
    verbs: &["set"],
    keys: &[key("set", Kind::Map(&Kind::Any), "Their values.")],
};

static IF: Shape = Shape {
    name: "if",
    about: "Takes one of two ways.",
    verbs: &["if"],
    keys: &[
        key("if", Kind::Expression, "Decides."),
        required("then", Kind::Steps, "When it holds."),
        key("else", Kind::Steps, "When it does not."),
    ],
};

static WHILE: Shape = Shape {
    name: "while",
    about: "Repeats while something holds.",
    verbs: &["while"],
    keys: &[
        key("while", Kind::Expression, "Looked at before every turn."),
        key("max", Kind::Integer(1), "Turns at most; 1000 without it."),
        required("steps", Kind::Steps, "The turn."),
    ],
};

static REPEAT: Shape = Shape {
    name: "repeat",
    about: "Repeats a number of times.",
    verbs: &["repeat"],
    keys: &[
        key("repeat", Kind::Expression, "How often."),
        required("steps", Kind::Steps, "The turn."),
    ],
};

static CHOOSE: Shape = Shape {
    name: "choose",
    about: "Does one of several actions.",
    verbs: &["choose"],
    keys: &[
        key("choose", Kind::Actions, "The actions."),
        required("name", Kind::Name, "The label that keys the draw."),
    ],
};

static RUN: Shape = Shape {
    name: "run",
    about: "Does the steps of a block.",
    verbs: &["run"],
    keys: &[key("run", Kind::Name, "The block's name.")],
};

static ADD: Shape = Shape {
    name: "add",
    about: "Puts values into metrics.",
    verbs: &["add"],
    keys: &[key("add", EXPRESSIONS, "The values, by metric.")],
};

static LOG: Shape = Shape {
    name: "log",
    about: "Writes a line into the log.",
    verbs: &["log"],
    keys: &[key("log", Kind::Template, "The line.")],
};

static COUNT_BOTS: Shape = Shape {
    name: "countBots",
    about: "Asks how many bots are active.",
    verbs: &["countBots"],
    keys: &[key("countBots", Kind::Name, "The variable for the answer.")],
};

static END: Shape = Shape {
    name: "end",
    about: "Ends something.",
    verbs: &["end"],
    keys: &[key("end", Kind::Word(&["action", "session", "bot"]), "What ends.")],
};

static FAIL: Shape = Shape {
    name: "fail",
    about: "Ends the session as failed.",
    verbs: &["fail"],
    keys: &[key("fail", Kind::Text, "Why.")],
};

static ABORT: Shape = Shape {
    name: "abort",
    about: "Ends the run.",
    verbs: &["abort"],
    keys: &[key("abort", Kind::Text, "Why.")],
};

static CHECK: Shape = Shape {
    name: "a check",
    about: "Counts checks that belong to no request.",
    verbs: &["check"],
    keys: &[key("check", EXPRESSIONS, "What must hold, by name.")],
};

static LOGIN: Shape = Shape {
    name: "a login step",
    about: "Logs in now, or forgets the login.",
    verbs: &["auth"],
    keys: &[key("auth", Kind::Word(&["login", "logout"]), "Which of the two.")],
};

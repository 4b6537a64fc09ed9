//! A URL as a job: one request per session.

use std::rc::Rc;
use std::time::Duration;

use tallyho_bots::{Headers, SingleRequest, SingleRequestConfig, SingleRequestSettings};
use tallyho_replay::secret::{SECRET_BYTES_MAX, SECRETS_MAX};
use tallyho_replay::{BotType, Method, Prepared, Secret, SecretKey, SharedBody, is_secret_name};

use super::identity;
use super::job::{Job, Load};
use super::load;
use crate::cli::{RequestArgs, RunArgs};
use crate::config::{Network, scheme_and_secret};
use crate::engine::BotMaker;
use crate::exit::BadUsage;

/// Checks the request and the load that the flags describe.
///
/// # Errors
///
/// [`BadUsage`] that names the flag, or the body file that cannot be read.
pub(super) fn job(args: &RunArgs) -> Result<Job, BadUsage> {
    let mut settings = request(&args.what, &args.request)?;
    let secret_key = identity::secret_key();
    let shared_secrets = hide_secrets(&mut settings, secret_key)?;
    let bot_config = serde_json::to_value(&settings).expect("settings become JSON");
    let (bot, origin) = bot(settings)?;
    let profile = load::of_url(args);
    let config = serde_json::json!({
        "target": args.what,
        "profile": profile.to_string(),
        "timeout_ms": u64::try_from(args.request.timeout.as_millis()).unwrap_or(u64::MAX),
        "drain_ms": u64::try_from(args.drain.as_millis()).unwrap_or(u64::MAX),
    });
    let load = Load {
        name: "default".to_owned(),
        bot,
        bot_config,
        start: Duration::ZERO,
        graceful_stop: args.drain,
        profile,
    };
    Ok(Job {
        title: args.what.clone(),
        target: Some(origin),
        seed: args.seed,
        run_number: None,
        bots_per_task: load.profile.vus(),
        loads: vec![load],
        secret_key,
        shared_secrets,
        secrets: Vec::new(),
        thresholds: Vec::new(),
        network: Network::default(),
        weights: Vec::new(),
        setup: None,
        heartbeat: None,
        teardown: None,
        config,
    })
}

/// Reads the request from the flags.
///
/// # Errors
///
/// [`BadUsage`] that names the flag, or the body file that cannot be read.
fn request(url: &str, args: &RequestArgs) -> Result<SingleRequestSettings, BadUsage> {
    let body = args.data.clone().unwrap_or_default().into_bytes();
    let body_file = body_file(args)?;
    let method = match &args.method {
        Some(method) => method.to_ascii_uppercase(),
        None if body.is_empty() && body_file.is_none() => "GET".to_owned(),
        None => "POST".to_owned(),
    };
    let method: Method = method
        .parse()
        .map_err(|_| BadUsage(format!("-X {method}: not an HTTP method; write for example GET")))?;
    let mut headers = Vec::new();
    for line in &args.headers {
        let (name, value) = line.split_once(':').ok_or_else(|| {
            BadUsage(format!("-H '{line}': no colon; write for example 'Accept: text/html'"))
        })?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    check(url, method, &headers)?;
    Ok(SingleRequestSettings {
        method: method.as_str().to_owned(),
        url: url.to_owned(),
        headers: Headers::Pairs(headers),
        body,
        body_file,
        max_redirects: args.max_redirects,
        ..SingleRequestSettings::default()
    })
}

/// Puts placeholders in the place of header values that are secrets, and gives the values. They go
/// over the wire, and into no trace.
fn hide_secrets(
    settings: &mut SingleRequestSettings,
    key: SecretKey,
) -> Result<Vec<String>, BadUsage> {
    let Headers::Pairs(headers) = &mut settings.headers else { return Ok(Vec::new()) };
    let mut secrets = Vec::new();
    for (name, value) in headers.iter_mut().filter(|(name, _)| is_secret_name(name)) {
        let (scheme, secret) = scheme_and_secret(value);
        let hidden = format!("{scheme}{}", Secret::of(key, secret));
        if secret.len() > SECRET_BYTES_MAX || secrets.len() == SECRETS_MAX {
            let limits = format!("{SECRETS_MAX} secrets of {SECRET_BYTES_MAX} bytes each");
            return Err(BadUsage(format!("-H {name}: a bot holds at most {limits}")));
        }
        if !secret.is_empty() {
            secrets.push(secret.to_owned());
            *value = hidden;
        }
    }
    Ok(secrets)
}

/// Read once, and shared by all workers.
fn body_file(args: &RequestArgs) -> Result<Option<SharedBody>, BadUsage> {
    let Some(path) = &args.data_file else { return Ok(None) };
    let shown = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(SharedBody::new(&shown, bytes))),
        Err(error) => {
            let text = format!("--data-file {shown}: cannot read the request body: {error}");
            Err(BadUsage(text))
        }
    }
}

/// Finds what is wrong with the URL or a header, and names it.
fn check(url: &str, method: Method, headers: &[(String, String)]) -> Result<(), BadUsage> {
    if let Err(error) = Prepared::builder(method, None, url).build() {
        let help = "write for example http://127.0.0.1:8080/items";
        return Err(BadUsage(format!("{url}: {error}; {help}")));
    }
    for (name, value) in headers {
        let with_header = Prepared::builder(method, None, url).header(name, value).build();
        with_header.map_err(|error| BadUsage(format!("-H '{name}: {value}': {error}")))?;
    }
    Ok(())
}

/// A maker of the bot that sends the request, and the origin that it goes to.
///
/// # Errors
///
/// What is wrong with the request.
fn bot(settings: SingleRequestSettings) -> Result<(BotMaker, String), BadUsage> {
    let config = |settings: &SingleRequestSettings| SingleRequestConfig::try_from(settings.clone());
    let origin = config(&settings).map_err(|error| BadUsage(error.to_string()))?;
    let origin = origin.request().origin().to_owned();
    let make = move || {
        let config = config(&settings).expect("the same settings were valid before");
        Rc::new(BotType::new::<SingleRequest>(Rc::new(config)))
    };
    Ok((Box::new(make), origin))
}

//! Objects in S3: read, written once, listed; and what went wrong, in words for whoever runs it.
//!
//! All requests run on the tokio thread whose handle is given, never on a worker's core; whoever
//! calls waits. Configuration is the SDK's own: environment, profile, the task role of a container;
//! `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_S3` name another server, whose buckets are then
//! addressed by path. Knows nothing of runs, results or containers.

mod address;
mod problem;
mod upload;

use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{ProvideCredentials, Region};
use aws_smithy_http_client::tls;
use tokio::runtime::Handle;

pub use address::Address;
pub use problem::Problem;
pub use upload::{Body, NewObject, Parts};

/// A connection to S3.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    handle: Handle,
    region: String,
    parts: Parts,
}

/// An object that was read.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its content.
    pub bytes: Vec<u8>,
    /// When it was written.
    pub modified: Option<SystemTime>,
}

/// Where no region is set, as in the AWS command line.
const REGION_DEFAULT: &str = "us-east-1";
/// Attempts for one request. The waits between them grow: 0.5, 1, 2, 4 s, each times a random
/// share, 10 s at most.
const ATTEMPTS: u32 = 6;
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// How long an attempt may take in which little is sent. An answer takes milliseconds; a connection
/// on which none comes is given up while there is time for another.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// The slowest link on which an attempt is not given up: 2 Mbit/s.
const BYTES_PER_SEC_MIN: u64 = 256 * 1024;
/// For what is asked before a run: nobody waits longer for an error message.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

impl Store {
    /// Finds region and credentials. Nothing is asked of S3 yet.
    ///
    /// # Errors
    ///
    /// [`Problem::NoCredentials`].
    pub fn connect(handle: &Handle) -> Result<Self, Problem> {
        wait(handle, CONNECT_TIMEOUT, connect(handle.clone()))?
    }

    /// The same connection with another size of parts.
    #[must_use]
    pub const fn with_parts(mut self, parts: Parts) -> Self {
        self.parts = parts;
        self
    }

    /// Reads an object whole.
    ///
    /// # Errors
    ///
    /// When there is none, or it may not be read.
    pub fn read(&self, address: &Address, within: Duration) -> Result<Object, Problem> {
        let (client, region, address) = (self.client.clone(), self.region.clone(), address.clone());
        wait(&self.handle, within, async move {
            let Address { bucket, key } = &address;
            let sent = client.get_object().bucket(bucket).key(key).send().await;
            let found = sent.map_err(|error| Problem::of(&error, &region, &address))?;
            let modified = found.last_modified.and_then(|at| SystemTime::try_from(at).ok());
            let body = found.body.collect().await;
            let body = body.map_err(|error| Problem::Broken { reason: error.to_string() })?;
            Ok(Object { bytes: body.to_vec(), modified })
        })?
    }

    /// Reads an object into a new file.
    ///
    /// # Errors
    ///
    /// When there is none, it may not be read, or the file cannot be written.
    pub fn fetch(&self, address: &Address, file: &Path, within: Duration) -> Result<(), Problem> {
        let (client, region, address) = (self.client.clone(), self.region.clone(), address.clone());
        let file = file.to_owned();
        wait(&self.handle, within, async move {
            let get = client.get_object().bucket(&address.bucket).key(&address.key);
            let sent = get.customize().config_override(patient(within)).send().await;
            let found = sent.map_err(|error| Problem::of(&error, &region, &address))?;
            let mut body = found.body;
            let broken = |error: &dyn std::error::Error| Problem::Broken {
                reason: format!("{address} to {}: {error}", file.display()),
            };
            let mut out = std::fs::File::create_new(&file).map_err(|error| broken(&error))?;
            while let Some(bytes) = body.next().await {
                let bytes = bytes.map_err(|error| broken(&error))?;
                out.write_all(&bytes).map_err(|error| broken(&error))?;
            }
            Ok(())
        })?
    }

    /// The keys that begin with the address's key, in order.
    ///
    /// # Errors
    ///
    /// When they may not be listed.
    pub fn list(&self, prefix: &Address, within: Duration) -> Result<Vec<String>, Problem> {
        let (client, region, prefix) = (self.client.clone(), self.region.clone(), prefix.clone());
        wait(&self.handle, within, async move {
            let list = client.list_objects_v2().bucket(&prefix.bucket).prefix(&prefix.key);
            let mut pages = list.into_paginator().send();
            let mut keys = Vec::new();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| Problem::of(&error, &region, &prefix))?;
                keys.extend(page.contents.into_iter().flatten().filter_map(|object| object.key));
            }
            keys.sort();
            Ok(keys)
        })?
    }

    /// Writes an object that must not be there yet, whole or not at all.
    ///
    /// # Errors
    ///
    /// When it is there already, may not be written, or is not written in time.
    pub fn write(&self, object: NewObject, within: Duration) -> Result<(), Problem> {
        let store = self.clone();
        wait(&self.handle, within, async move { store.upload(&object).await })?
    }
}

async fn connect(handle: Handle) -> Result<Store, Problem> {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(ring).build_https();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(BACKOFF_FIRST)
        .with_max_backoff(BACKOFF_MAX);
    let shared = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .retry_config(retries)
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build())
        .load()
        .await;
    let region = shared.region().map_or_else(|| REGION_DEFAULT.to_owned(), ToString::to_string);
    let provider = shared.credentials_provider();
    let found = match &provider {
        Some(provider) => {
            provider.provide_credentials().await.map_err(|error| problem::chain(&error))
        }
        None => Err("there is no source of them".to_owned()),
    };
    found.map_err(|reason| Problem::NoCredentials { reason })?;
    let is_elsewhere = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let config = aws_sdk_s3::config::Builder::from(&shared)
        .region(Region::new(region.clone()))
        .force_path_style(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].into_iter().any(is_elsewhere))
        .build();
    Ok(Store { client: Client::from_conf(config), handle, region, parts: Parts::default() })
}

/// Time enough for one attempt to send so many bytes.
const fn attempt_timeout(bytes: u64) -> Duration {
    Duration::from_secs(ATTEMPT_TIMEOUT.as_secs() + bytes / BYTES_PER_SEC_MIN)
}

/// A request whose attempts may take so long.
fn patient(attempt: Duration) -> aws_sdk_s3::config::Builder {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(attempt).build();
    aws_sdk_s3::Config::builder().timeout_config(timeouts)
}

/// Lets the tokio thread do something, and waits for it.
fn wait<T: Send + 'static>(
    handle: &Handle,
    within: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    let (sender, receiver) = std::sync::mpsc::channel();
    handle.spawn(async move {
        let done = tokio::time::timeout(within, work).await;
        let _nobody_waits = sender.send(done);
    });
    match receiver.recv() {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(Problem::TooSlow { within }),
        Err(_) => Err(Problem::Broken { reason: "the background thread has ended".to_owned() }),
    }
}

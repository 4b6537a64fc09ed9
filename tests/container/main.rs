//! `tallyho container` end to end: the real binary, a real S3 server, faults in between.
#![allow(unreachable_pub, reason = "modules of one test")]

#[path = "../servers/mod.rs"]
mod servers;
#[path = "../tallyho/mod.rs"]
mod tallyho;

mod bucket;
mod faults;
mod lambda;
mod proxy;
mod refusals;
mod results;
mod stopping;
mod task;

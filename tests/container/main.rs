//! `tallyho container` end to end: the real binary, a real S3 server, faults in between.
#![allow(unreachable_pub, reason = "modules of one test")]

#[path = "../tallyho/mod.rs"]
mod run;
#[path = "../servers/mod.rs"]
mod servers;

mod bucket;
mod faults;
mod image;
mod lambda;
mod lines;
mod moto;
mod proxy;
mod refusals;
mod results;
mod stopping;
mod task;

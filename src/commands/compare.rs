//! Stub.
use crate::exit::Exit;
use clap::Args;
use std::path::PathBuf;
/// x
#[derive(Args, Debug)]
pub struct CompareArgs {
    /// x
    pub a: PathBuf,
}
/// x
/// # Errors
/// none
pub fn run(_args: &CompareArgs) -> anyhow::Result<Exit> {
    Ok(Exit::Ok)
}

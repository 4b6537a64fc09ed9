//! Stub.
use std::path::PathBuf;
use clap::Args;
use crate::exit::Exit;
/// x
#[derive(Args, Debug)]
pub struct CompareArgs { 
  /// x
  pub a: PathBuf }
/// x
/// # Errors
/// none
pub fn run(_args: &CompareArgs) -> anyhow::Result<Exit> { Ok(Exit::Ok) }

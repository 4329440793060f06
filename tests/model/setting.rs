//! Numbers that the environment sets.

use std::{env, str::FromStr};

/// What the environment says, where `_` may be between digits, or else this.
pub(crate) fn setting<T: FromStr>(name: &str, default: T) -> T {
    match env::var(name) {
        Ok(value) => value.replace('_', "").parse().unwrap_or_else(|_| panic!("{name}: {value}")),
        Err(_) => default,
    }
}

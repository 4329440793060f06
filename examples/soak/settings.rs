//! What the command line says.

use std::{env, path::PathBuf, str::FromStr};

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seconds: u64,
    /// Messages a second.
    pub(crate) rate: u64,
    /// Crashes a second.
    pub(crate) crashes: u64,
    /// How many threads send.
    pub(crate) threads: u64,
    pub(crate) seed: u64,
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error(
        "unknown setting {0}; there are --seconds, --rate, --crashes, --threads, --seed, --svg"
    )]
    Unknown(String),
    #[error("{0} needs a value")]
    Missing(String),
    #[error("{0} {1} makes no sense")]
    Senseless(String, String),
}

impl Settings {
    pub(crate) fn from_args() -> Result<Self, SettingsError> {
        let seed = fastrand::u64(..1 << 32);
        let mut settings =
            Self { seconds: 60, rate: 10_000, crashes: 1_000, threads: 4, seed, svg: None };
        let mut args = env::args().skip(1);
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| SettingsError::Missing(name.clone()))?;
            match name.as_str() {
                "--seconds" => settings.seconds = parsed(name, value)?,
                "--rate" => settings.rate = parsed(name, value)?,
                "--crashes" => settings.crashes = parsed(name, value)?,
                "--threads" => settings.threads = parsed(name, value)?,
                "--seed" => settings.seed = parsed(name, value)?,
                "--svg" => settings.svg = Some(value.into()),
                _ => return Err(SettingsError::Unknown(name)),
            }
        }
        if settings.seconds == 0 || settings.threads == 0 {
            return Err(SettingsError::Senseless("--seconds or --threads".into(), "0".into()));
        }
        Ok(settings)
    }
}

fn parsed<T: FromStr>(name: String, value: String) -> Result<T, SettingsError> {
    value.parse().map_err(|_| SettingsError::Senseless(name, value))
}

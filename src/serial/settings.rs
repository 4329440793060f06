//! Settings, checked value by value: so an error is about the field where it is, and whoever tracks the path can name it.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use crate::{
    backoff::Backoff, error::SpecError, placement::Placement, policy::Shutdown, spec::Spec,
};

/// A duration as people write it: `15s`, `1h 30min`.
#[derive(Clone, Copy)]
struct Human(Duration);

impl<'de> Deserialize<'de> for Human {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(HumanVisitor)
    }
}

struct HumanVisitor;

impl Visitor<'_> for HumanVisitor {
    type Value = Human;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a duration with its unit, such as "15s" or "1h 30min""#)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Human, E> {
        let parsed = humantime::parse_duration(text);
        parsed
            .map(Human)
            .map_err(|error| E::custom(format_args!("{text:?} is no duration: {error}")))
    }
}

pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    Human::deserialize(from).map(|Human(duration)| duration)
}

/// A spec whose other settings are the default ones.
fn checked<T: Copy, E: Error>(value: T, set: impl FnOnce(Spec, T) -> Spec) -> Result<T, E> {
    let of = || "spec".to_owned();
    set(Spec::default(), value).check_settings(&of).map_err(E::custom)?;
    Ok(value)
}

pub(crate) fn failure_decay<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    checked(duration(from)?, Spec::failure_decay)
}

pub(crate) fn failure_threshold<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    checked(f64::deserialize(from)?, Spec::failure_threshold)
}

pub(crate) fn backoff_jitter<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    checked(f64::deserialize(from)?, Spec::backoff_jitter)
}

pub(crate) fn arbiters<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    let Some(threads) = Option::deserialize(from)? else { return Ok(None) };
    checked(threads, Spec::arbiters).map(Some)
}

/// `"kill"`, `"infinite"`, or the time that it is given: `"15s"`.
impl<'de> Deserialize<'de> for Shutdown {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(ShutdownVisitor)
    }
}

struct ShutdownVisitor;

impl Visitor<'_> for ShutdownVisitor {
    type Value = Shutdown;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#""kill", "infinite", or a duration such as "15s""#)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Shutdown, E> {
        match text {
            "kill" => Ok(Shutdown::Kill),
            "infinite" => Ok(Shutdown::Infinite),
            _ => humantime::parse_duration(text).map(Shutdown::Timeout).map_err(|error| {
                let kinds = r#"neither "kill" nor "infinite", and no duration"#;
                E::custom(format_args!("{text:?} is {kinds}: {error}"))
            }),
        }
    }
}

/// As it is read.
impl Serialize for Shutdown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Kill => to.serialize_str("kill"),
            Self::Infinite => to.serialize_str("infinite"),
            Self::Timeout(limit) => to.collect_str(&humantime::format_duration(*limit)),
        }
    }
}

/// `"inline"`, `"dedicated"` or `"pool"`. An arbiter of the application's own is known to its code only.
impl<'de> Deserialize<'de> for Placement {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match Place::deserialize(from)? {
            Place::Inline => Self::Inline,
            Place::Dedicated => Self::Dedicated,
            Place::Pool => Self::Pool,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Inline,
    Dedicated,
    Pool,
}

/// One of `constant = "5s"`, `exponential = { first = "100ms", max = "10s", factor = 2.0 }` and `steps = ["1s", "10s"]`, with
/// `jitter` and `reset_after` where they are to be set.
impl<'de> Deserialize<'de> for Backoff {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let given = Given::deserialize(from)?;
        let mut delays = match (given.constant, given.exponential, given.steps) {
            (Some(Human(delay)), None, None) => Self::constant(delay),
            (None, Some(exponential), None) => exponential.0,
            (None, None, Some(steps)) => steps.0,
            _ => {
                return Err(D::Error::custom(
                    "a backoff has one of `constant`, `exponential` and `steps`",
                ));
            }
        };
        if let Some(share) = given.jitter {
            delays = delays.jitter(share);
        }
        if let Some(healthy) = given.reset_after {
            delays = delays.reset_after(healthy);
        }
        Ok(delays)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    constant: Option<Human>,
    exponential: Option<Exponential>,
    steps: Option<Steps>,
    #[serde(default, deserialize_with = "jitter")]
    jitter: Option<f64>,
    #[serde(default, deserialize_with = "reset_after")]
    reset_after: Option<Duration>,
}

/// Not used: any backoff will do to check a setting that is the same for all.
fn any() -> Backoff {
    Backoff::constant(Duration::ZERO)
}

fn jitter<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let share = f64::deserialize(from)?;
    let _ = any().try_jitter(share).map_err(D::Error::custom)?;
    Ok(Some(share))
}

fn reset_after<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let healthy = duration(from)?;
    let _ = any().try_reset_after(healthy).map_err(D::Error::custom)?;
    Ok(Some(healthy))
}

#[derive(Deserialize)]
#[serde(try_from = "GivenExponential")]
struct Exponential(Backoff);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenExponential {
    first: Human,
    max: Human,
    factor: Option<f64>,
}

impl TryFrom<GivenExponential> for Exponential {
    type Error = SpecError;

    fn try_from(given: GivenExponential) -> Result<Self, SpecError> {
        let backoff = Backoff::try_exponential(given.first.0, given.max.0)?;
        match given.factor {
            Some(factor) => backoff.try_factor(factor).map(Self),
            None => Ok(Self(backoff)),
        }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "Vec<Human>")]
struct Steps(Backoff);

impl TryFrom<Vec<Human>> for Steps {
    type Error = SpecError;

    fn try_from(steps: Vec<Human>) -> Result<Self, SpecError> {
        Backoff::try_steps(steps.into_iter().map(|Human(delay)| delay).collect()).map(Self)
    }
}

//! The numbers in a JSON document, summed up for each key.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::refusal::Refusal;

/// Keys are paths: the 20.5 of `{"room": {"temperature": 20.5}}` counts for `room.temperature`, and the elements of an
/// array count for the key of the array.
pub(crate) type Summaries = BTreeMap<String, Summary>;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    const EMPTY: Summary =
        Summary { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    fn add(&mut self, number: f64) {
        self.count += 1;
        self.sum += number;
        self.min = self.min.min(number);
        self.max = self.max.max(number);
    }
}

pub(crate) fn summarize(body: &str) -> Result<Summaries, Refusal> {
    let document: Value =
        serde_json::from_str(body).map_err(|error| Refusal::Invalid(error.to_string()))?;
    if !document.is_object() {
        return Err(Refusal::Invalid("it is not an object".into()));
    }
    let mut summaries = Summaries::new();
    collect("", &document, &mut summaries);
    match summaries.iter().find(|(_, summary)| !summary.sum.is_finite()) {
        Some((key, _)) => Err(Refusal::Invalid(format!("the sum of {key:?} is too large"))),
        None => Ok(summaries),
    }
}

fn collect(path: &str, value: &Value, summaries: &mut Summaries) {
    match value {
        Value::Number(number) => summaries
            .entry(path.to_owned())
            .or_insert(Summary::EMPTY)
            .add(number.as_f64().unwrap_or(f64::NAN)),
        Value::Array(elements) => {
            for element in elements {
                collect(path, element, summaries);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(&path, field, summaries);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

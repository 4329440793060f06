//! What all the runs have given.

use crate::{
    jobs::Job,
    meter::{median, quantile},
    peers::Peer,
};

/// One peer's figures of one job: by key, one of each run.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) by_key: Vec<(String, Vec<f64>)>,
    /// Why there are none.
    pub(crate) unable: Option<String>,
}

#[derive(Default)]
pub(crate) struct Results {
    pub(crate) of: Vec<((Peer, Job), Figures)>,
    /// Of peers that are not on this machine.
    pub(crate) notes: Vec<String>,
}

impl Results {
    pub(crate) fn entry(&mut self, peer: Peer, job: Job) -> &mut Figures {
        let at = self.of.iter().position(|(of, _)| *of == (peer, job)).unwrap_or_else(|| {
            self.of.push(((peer, job), Figures::default()));
            self.of.len() - 1
        });
        &mut self.of[at].1
    }

    pub(crate) fn get(&self, peer: Peer, job: Job) -> Option<&Figures> {
        self.of.iter().find(|(of, _)| *of == (peer, job)).map(|(_, figures)| figures)
    }

    /// The figures of all runs.
    pub(crate) fn runs(&self, peer: Peer, job: Job, key: &str) -> Option<&[f64]> {
        let figures = self.get(peer, job)?;
        figures.by_key.iter().find(|(of, _)| of == key).map(|(_, runs)| runs.as_slice())
    }

    pub(crate) fn median(&self, peer: Peer, job: Job, key: &str) -> Option<f64> {
        self.runs(peer, job, key).map(median)
    }
}

impl Figures {
    pub(crate) fn add(&mut self, key: &str, figure: f64) {
        match self.by_key.iter_mut().find(|(of, _)| of == key) {
            Some((_, runs)) => runs.push(figure),
            None => self.by_key.push((key.to_owned(), vec![figure])),
        }
    }
}

/// Several runs of one figure.
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(runs: &[f64]) -> Self {
        Self { median: median(runs), min: quantile(runs, 0.0), max: quantile(runs, 1.0) }
    }
}

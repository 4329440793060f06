//! x
use crate::{
    jobs::Job,
    meter::{NOTHING_LIKE_IT, Outcome},
};
pub(crate) fn run(_job: Job, _n: usize) -> Outcome {
    NOTHING_LIKE_IT
}

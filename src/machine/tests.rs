//! The machine under a simulated clock: whole lists of actions, whole states, and no sleep.

mod matrix;
mod model;

//! The names of what is measured, and what they mean.

use metrics::Unit;

pub(super) const CHILDREN: &str = "actix_supervisor_children";
pub(super) const METER: &str = "actix_supervisor_failure_meter";
pub(super) const THRESHOLD: &str = "actix_supervisor_failure_threshold";
pub(super) const PAUSED: &str = "actix_supervisor_paused";
pub(super) const PAUSES: &str = "actix_supervisor_pauses_total";
pub(super) const FAILURES: &str = "actix_supervisor_failures_total";
pub(super) const RESTARTS: &str = "actix_supervisor_restarts_total";
pub(super) const START: &str = "actix_supervisor_start_seconds";
pub(super) const DOWN: &str = "actix_supervisor_down_seconds";
pub(super) const UPTIME: &str = "actix_supervisor_uptime_at_failure_seconds";
pub(super) const STOP: &str = "actix_supervisor_stop_seconds";

pub(super) fn describe() {
    metrics::describe_gauge!(CHILDREN, Unit::Count, "children, by state");
    metrics::describe_gauge!(METER, Unit::Count, "the failure meter, at the last decision");
    metrics::describe_gauge!(THRESHOLD, Unit::Count, "above this reading it pauses, or fails");
    metrics::describe_gauge!(PAUSED, Unit::Count, "1 while nothing is restarted");
    metrics::describe_counter!(PAUSES, Unit::Count, "pauses that have begun");
    metrics::describe_counter!(FAILURES, Unit::Count, "failures, by the kind of failure");
    metrics::describe_counter!(
        RESTARTS,
        Unit::Count,
        "restarts, by the kind of the failure that they follow, or none"
    );
    metrics::describe_histogram!(START, Unit::Seconds, "from a start until ready");
    metrics::describe_histogram!(DOWN, Unit::Seconds, "from an end until ready again");
    metrics::describe_histogram!(UPTIME, Unit::Seconds, "from ready until a failure");
    metrics::describe_histogram!(STOP, Unit::Seconds, "from a request to stop until stopped");
}

//! A thread that never comes back holds up nothing, not even the end of the process.

use std::{
    env,
    io::{self, Write},
    process::Command,
};

use actix_supervisor::{Placement, Stop, test_kit::guard};

use crate::{
    place::{patient, puppet, root, stick, watched},
    seen::{paths, real},
};

const ROLE: &str = "SUPERVISOR_TEST_ROLE";
const REPORTED: &str = "the stuck threads are in the report";

/// Threads that are stuck for good; then the program ends as any other does.
fn end_with_stuck_threads() {
    real(async {
        let specs = [
            watched("dedicated", &Placement::Dedicated),
            watched("pool", &Placement::Pool),
            puppet("unwatched", &Placement::Dedicated),
        ];
        let addrs = specs.each_ref().map(|spec| spec.addr());
        let settings = patient().shutdown_timeout(std::time::Duration::from_millis(20));
        let (root, seen) = root(settings, specs);
        for addr in &addrs {
            std::mem::forget(stick(addr).await);
        }
        seen.until("root/pool: ChildRestarted").await;
        let mut left = paths(&root.send(Stop).await.unwrap());
        left.sort();
        assert_eq!(left, ["root/dedicated", "root/pool", "root/unwatched"]);
        writeln!(io::stderr(), "{REPORTED}").expect("somebody reads it");
    });
}

#[test]
fn a_process_ends_while_threads_are_stuck() {
    if env::var_os(ROLE).is_some() {
        return end_with_stuck_threads();
    }
    let _guard = guard();
    let this = env::current_exe().expect("a test is a file");
    let output = Command::new(this)
        .args(["--exact", "process::a_process_ends_while_threads_are_stuck", "--nocapture"])
        .env(ROLE, "")
        .output()
        .expect("it can be run again");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", output.status);
    assert!(told.contains(REPORTED), "{told}");
}

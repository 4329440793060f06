//! All of these tests once more, with their probes and puppets placed as on another thread.

use std::{env, process::Command};

use crate::support::{PLACEMENT, is_elsewhere};

#[test]
fn all_that_holds_inline_holds_elsewhere() {
    if is_elsewhere() {
        return;
    }
    let mut again = Command::new(env::current_exe().expect("a test is a file"));
    again.env(PLACEMENT, "arbiter");
    let output = again.output().expect("it can be run again");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let ran = told.lines().filter(|line| line.ends_with("... ok")).count();
    assert!(ran > 300, "{ran} tests ran");
}

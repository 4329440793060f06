//! All of these tests once more, with their probes and puppets placed as on another thread.

use std::{env, process::Command};

use crate::support::{PLACEMENT, is_elsewhere};

/// Each share is a test of its own, so that none of them takes long.
const SHARES: usize = 9;

fn run(more: &[&str]) -> Vec<String> {
    let mut again = Command::new(env::current_exe().expect("a test is a file"));
    // Backtraces of thousands of panics take longer than all else; a test that has failed can be run by itself.
    again.args(more).env(PLACEMENT, "arbiter").env("RUST_BACKTRACE", "0");
    let output = again.output().expect("it can be run again");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    told.lines().map(str::to_owned).collect()
}

fn all_that_holds_inline_holds_elsewhere(share: usize) {
    if is_elsewhere() {
        return;
    }
    let listed = run(&["--list"]);
    let tests = listed.iter().filter_map(|line| line.strip_suffix(": test"));
    let of_this_share: Vec<_> = tests.skip(share).step_by(SHARES).collect();
    assert!(of_this_share.len() > 300 / SHARES, "{} tests are not all", of_this_share.len());
    let told = run(&[&["--exact"], &of_this_share[..]].concat());
    let ran = told.iter().filter(|line| line.ends_with("... ok")).count();
    assert_eq!(ran, of_this_share.len());
}

macro_rules! shares {
    ($($name:ident: $share:literal,)*) => {
        $(
            #[test]
            fn $name() {
                all_that_holds_inline_holds_elsewhere($share);
            }
        )*
    };
}

shares! {
    all_that_holds_inline_holds_elsewhere_1: 0,
    all_that_holds_inline_holds_elsewhere_2: 1,
    all_that_holds_inline_holds_elsewhere_3: 2,
    all_that_holds_inline_holds_elsewhere_4: 3,
    all_that_holds_inline_holds_elsewhere_5: 4,
    all_that_holds_inline_holds_elsewhere_6: 5,
    all_that_holds_inline_holds_elsewhere_7: 6,
    all_that_holds_inline_holds_elsewhere_8: 7,
    all_that_holds_inline_holds_elsewhere_9: 8,
}

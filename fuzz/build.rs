//! Makes the machine's tests a part of the target. `cfg(fuzzing)` will not do: whoever fuzzes an application sets it for
//! all that the application depends on.

fn main() {
    println!("cargo::rustc-cfg=machine_fuzz");
    println!("cargo::rerun-if-changed=build.rs");
}

//! Makes the machine's tests a part of the target. `cfg(fuzzing)` will not do: whoever fuzzes an application sets it for
//! all that the application depends on.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(machine_fuzz)");
    // The features of the crate under test are not those of this package.
    println!("cargo::rustc-check-cfg=cfg(feature, values(any()))");
    println!("cargo::rustc-cfg=machine_fuzz");
    println!("cargo::rerun-if-changed=build.rs");
}

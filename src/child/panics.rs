//! Where panics of user code end: every call into it goes through [`catch`] (I5).

use std::{
    any::{Any, type_name},
    backtrace::{Backtrace, BacktraceStatus},
    cell::{Cell, RefCell},
    fmt,
    io::{self, Write},
    mem,
    ops::{Deref, DerefMut},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::{Arc, Once},
};

use log::Level;

use crate::{failure::PanicInfo, record};

thread_local! {
    /// How many calls of [`catch`] are running on this thread.
    static CATCHING: Cell<usize> = const { Cell::new(0) };
    /// What the panic hook saw of the last panics, the latest at the end.
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
}

/// How many panics are kept. More than one, since the child's own code may have caught others: before this
/// one, or while it unwinds.
const KEPT: usize = 8;

/// How many payloads are dropped, each of which was what the `Drop` of the one before panicked with.
const PAYLOADS: usize = 8;

struct Seen {
    message: String,
    location: Option<String>,
    backtrace: Option<Arc<Backtrace>>,
}

/// Runs user code; a panic in it comes back as an error.
///
/// Nothing of the panic is left when it returns: its payload has been dropped too, and a panic of that
/// payload's own `Drop` has been caught.
pub(crate) fn catch<R>(code: impl FnOnce() -> R) -> Result<R, PanicInfo> {
    CATCHING.set(CATCHING.get() + 1);
    let result = panic::catch_unwind(AssertUnwindSafe(code)).map_err(caught);
    CATCHING.set(CATCHING.get() - 1);
    result
}

/// What is known of a panic, by its payload.
fn caught(payload: Box<dyn Any + Send>) -> PanicInfo {
    let message = message(&*payload);
    let (location, backtrace) = seen(&message);
    dispose(payload);
    PanicInfo { message, location, backtrace }
}

/// Drops something of the user's; a panic of its `Drop` is logged.
pub(crate) fn discard<T>(value: T) {
    if let Err(panic) = catch(move || drop(value)) {
        let what = type_name::<T>();
        log(Level::Error, format_args!("the `Drop` of a {what} {panic}"));
    }
}

/// Writes a line to the log. A logger is the user's code (I5), and so is what displays an error.
#[cold]
pub(crate) fn log(level: Level, line: fmt::Arguments<'_>) {
    // Of its panic nothing can be said: the log is where it would be said.
    let _ = catch(|| record::line(level, line));
}

/// Something of the user's whose `Drop` may panic: wherever it is dropped, that is caught.
pub(crate) struct Guarded<T>(Option<T>);

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(crate) fn into_inner(mut self) -> T {
        self.0.take().expect("it is there until it is dropped")
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T> DerefMut for Guarded<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("it is there until it is dropped")
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            discard(value);
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        (None, None) => "Box<dyn Any>".to_owned(),
    }
}

/// Place and backtrace of the latest panic with this message.
fn seen(message: &str) -> (Option<String>, Option<Arc<Backtrace>>) {
    let latest = SEEN.take().into_iter().rfind(|seen| seen.message == message);
    latest.map_or((None, None), |seen| (seen.location, seen.backtrace))
}

fn dispose(mut payload: Box<dyn Any + Send>) {
    for _ in 0..PAYLOADS {
        match panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => {
                SEEN.take();
                return;
            }
            // Its `Drop` has panicked, with a payload of its own.
            Err(next) => payload = next,
        }
    }
    // This could go on for ever: leak it.
    mem::forget(payload);
    SEEN.take();
}

/// Lets [`PanicInfo`] tell where a panic was, and from where it came.
///
/// A panic's place and backtrace are known to a panic hook only, and a library should not set that of
/// a process unasked: call this once, early in `main`. Later calls change nothing.
///
/// For a panic of a supervised child, the hook keeps the place, and a backtrace where `RUST_BACKTRACE` or
/// `RUST_LIB_BACKTRACE` asks for one, and prints nothing: the supervisor's event tells of it, and so
/// does the log, where a second panic on the way down is a warning of its own. A panic that the child's own
/// code catches is its own affair. Every other panic goes to the hook that was set before; so does one that ends the process, a
/// second panic in a destructor, and what led to it is written to the standard error.
///
/// ```
/// actix_supervisor::install_panic_hook();
/// ```
pub fn install_panic_hook() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| match CATCHING.try_with(Cell::get) {
            Ok(1..) if ends_the_process(info) => {
                tell_what_was_seen();
                previous(info);
            }
            Ok(1..) => keep(info),
            Ok(0) | Err(_) => previous(info),
        }));
    });
}

/// Nobody will catch this one: Rust aborts when the hook has returned, and no event tells of it. (`PanicHookInfo::can_unwind`
/// would know, and is not stable.)
fn ends_the_process(info: &PanicHookInfo<'_>) -> bool {
    matches!(
        message(info.payload()).as_str(),
        "panic in a destructor during cleanup" | "panic in a function that cannot unwind"
    )
}

/// Writes the last panics of this thread, which were kept and not printed. Not to the log: whatever that needs may be
/// in use by what has panicked.
fn tell_what_was_seen() {
    let Ok(seen) = SEEN.try_with(RefCell::take) else { return };
    for Seen { message, location, .. } in seen {
        let place = location.map(|place| format!(" at {place}")).unwrap_or_default();
        let _ = writeln!(io::stderr(), "a supervised child panicked{place}: {message}");
    }
}

fn keep(info: &PanicHookInfo<'_>) {
    let message = message(info.payload());
    let location = info.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = match backtrace.status() {
        BacktraceStatus::Captured => Some(Arc::new(backtrace)),
        _ => None,
    };
    // The thread may be on its way out; then nobody asks for it either.
    let _ = SEEN.try_with(|seen| {
        let mut seen = seen.borrow_mut();
        if seen.len() == KEPT {
            seen.remove(0);
        }
        seen.push(Seen { message, location, backtrace });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsOnDrop;

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    struct PanicsOnDropForEver;

    impl Drop for PanicsOnDropForEver {
        fn drop(&mut self) {
            panic::panic_any(PanicsOnDropForEver);
        }
    }

    #[test]
    fn a_message_is_kept_whether_static_or_made() {
        assert_eq!(catch(|| panic!("plain")).unwrap_err().message, "plain");
        assert_eq!(catch(|| panic!("made {}", 1)).unwrap_err().message, "made 1");
    }

    #[test]
    fn a_payload_that_is_no_text_is_a_panic_like_any_other() {
        assert_eq!(catch(|| panic::panic_any(7)).unwrap_err().message, "Box<dyn Any>");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_does_no_harm() {
        catch(|| panic::panic_any(PanicsOnDrop)).unwrap_err();
        catch(|| panic::panic_any(PanicsOnDropForEver)).unwrap_err();
        assert_eq!(catch(|| 1).unwrap(), 1);
        assert_eq!(CATCHING.get(), 0);
    }

    #[test]
    fn what_the_drop_of_a_payload_panics_with_is_dropped_too() {
        struct Nested(u32, Arc<()>);

        impl Drop for Nested {
            fn drop(&mut self) {
                if let Some(inner) = self.0.checked_sub(1) {
                    panic::panic_any(Nested(inner, Arc::clone(&self.1)));
                }
            }
        }

        let alive = Arc::new(());
        catch(|| panic::panic_any(Nested(3, Arc::clone(&alive)))).unwrap_err();
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    /// Where a panic was, as the hook tells it.
    fn place(code: impl FnOnce()) -> String {
        install_panic_hook();
        install_panic_hook();
        catch(code).unwrap_err().location.expect("the hook is installed")
    }

    #[test]
    fn the_hook_tells_the_place_of_each_panic() {
        let first = place(|| panic!("here"));
        let line = line!() - 1;
        assert!(first.starts_with(&format!("{}:{line}:", file!())), "{first}");
        assert_ne!(first, place(|| panic!("here")));
    }

    #[test]
    fn a_panic_that_was_caught_before_or_while_it_unwinds_is_not_mistaken_for_it() {
        struct PanicsInside;
        impl Drop for PanicsInside {
            fn drop(&mut self) {
                let _ = panic::catch_unwind(|| panic!("while it unwinds"));
            }
        }
        let told = place(|| {
            let _ = panic::catch_unwind(|| panic!("before"));
            let _inside = PanicsInside;
            panic!("the cause");
        });
        let line = line!() - 2;
        assert!(told.starts_with(&format!("{}:{line}:", file!())), "{told}");
    }

    #[test]
    fn panics_that_the_code_catches_itself_do_not_pile_up() {
        install_panic_hook();
        catch(|| {
            for _ in 0..100 {
                let _ = panic::catch_unwind(|| panic!("again"));
            }
        })
        .unwrap();
        assert_eq!(SEEN.take().len(), KEPT);
    }
}

//! The programs, in shares: each is a test of its own, so that none takes long, and as many run at a time as there are cores.

use std::{
    cell::Cell,
    io::{self, Write},
    ops::Range,
    panic, process,
    sync::{
        Once,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::{program::Program, setting::setting, side_by_side};

const PROGRAMS: u64 = 20_000;

/// That no program comes to its end for so long is no matter of a busy machine.
const GUARD: Duration = Duration::from_secs(300);

macro_rules! shares {
    ($($share:ident)*) => {
        const SHARES: &[&str] = &[$(stringify!($share)),*];

        $(
            #[test]
            fn $share() {
                real_trees_do_what_the_reference_says(stringify!($share));
            }
        )*
    };
}

shares! {
    share_00 share_01 share_02 share_03 share_04 share_05 share_06 share_07 share_08 share_09
    share_10 share_11 share_12 share_13 share_14 share_15 share_16 share_17 share_18 share_19
    share_20 share_21 share_22 share_23 share_24 share_25 share_26 share_27 share_28 share_29
    share_30 share_31 share_32 share_33 share_34 share_35 share_36 share_37 share_38 share_39
    share_40 share_41 share_42 share_43 share_44 share_45 share_46 share_47 share_48 share_49
    share_50 share_51 share_52 share_53 share_54 share_55 share_56 share_57 share_58 share_59
    share_60 share_61 share_62 share_63 share_64 share_65 share_66 share_67 share_68 share_69
    share_70 share_71 share_72 share_73 share_74 share_75 share_76 share_77 share_78 share_79
    share_80 share_81 share_82 share_83 share_84 share_85 share_86 share_87 share_88 share_89
    share_90 share_91 share_92 share_93 share_94 share_95 share_96 share_97 share_98 share_99
}

/// What the shares have come to, together.
static HAS_FAILED: AtomicBool = AtomicBool::new(false);
static COMPARED: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static TELLS: Cell<bool> = const { Cell::new(false) };
}

/// Panics of scripted children are no news, and what else panics in a program is reported as a difference. So only the
/// threads of the tests themselves tell of theirs.
fn be_silent() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if TELLS.get() {
                default(info);
            }
        }));
    });
    TELLS.set(true);
}

fn seeds(share: &str, count: u64) -> Range<u64> {
    let index = SHARES.iter().position(|name| *name == share).expect("it is one of them") as u64;
    let (first, shares) = (setting("MODEL_SEED", 0), SHARES.len() as u64);
    first + count * index / shares..first + count * (index + 1) / shares
}

/// Whether the whole of this program could be compared, or in what it differs, and how it can be run again.
fn run(seed: u64) -> Result<bool, String> {
    let program = Program::random(seed);
    let difference = match side_by_side::run(&program) {
        Ok(is_whole) => return Ok(is_whole),
        Err(difference) => difference,
    };
    let program = program.shrunk(|program| side_by_side::run(program).is_err());
    let shrunk =
        side_by_side::run(&program).err().unwrap_or_else(|| "it passed at last".to_owned());
    Err(format!("MODEL_SEED={seed}: {difference}\n\nshrunk: {shrunk}\n\n{program}"))
}

/// How many of these programs were compared to their end. It is over after a failure, also of another share.
fn run_all(seeds: Range<u64>, finish: &mpsc::Sender<u64>) -> Result<u64, String> {
    let mut compared = 0;
    for seed in seeds {
        if HAS_FAILED.load(Ordering::Relaxed) {
            break;
        }
        compared += u64::from(run(seed)?);
        finish.send(seed).expect("the guard is there");
    }
    Ok(compared)
}

/// Ends everything if a program does not come to its end: nothing else would, on a clock that stands still.
fn guard(share: &str, mut next: u64, finished: &mpsc::Receiver<u64>) {
    loop {
        match finished.recv_timeout(GUARD) {
            Ok(seed) => next = seed + 1,
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = writeln!(io::stderr(), "{share}: MODEL_SEED={next} hangs");
                process::abort();
            }
        }
    }
}

fn real_trees_do_what_the_reference_says(share: &str) {
    be_silent();
    let count = setting("MODEL_PROGRAMS", PROGRAMS);
    let seeds = seeds(share, count);
    let (first, (finish, finished)) = (seeds.start, mpsc::channel());
    let compared = thread::scope(|scope| {
        let working = scope.spawn(move || run_all(seeds, &finish));
        guard(share, first, &finished);
        working.join().expect("a panic of a program is a difference")
    });
    match compared {
        Err(failure) => {
            HAS_FAILED.store(true, Ordering::Relaxed);
            panic!("{failure}");
        }
        Ok(compared) => drop(COMPARED.fetch_add(compared, Ordering::SeqCst)),
    }
    let is_last = DONE.fetch_add(1, Ordering::SeqCst) + 1 == SHARES.len();
    if is_last && !HAS_FAILED.load(Ordering::Relaxed) {
        enough_were_compared(COMPARED.load(Ordering::SeqCst), count);
    }
}

fn enough_were_compared(compared: u64, count: u64) {
    let _ = writeln!(io::stdout(), "{compared} of {count} programs were compared to their end");
    // Of a few, all may be such that the contract does not say what is first.
    let is_enough = count < PROGRAMS || compared > count / 2;
    assert!(is_enough, "only {compared} of {count} programs could be compared to their end");
}

//! What follows when a spec has taken another one's place.

use actix::prelude::*;
use actix_supervisor::{
    AddAndWait, AutoShutdown, ChildError, ChildSpec, OnLimit, Replace, ReplaceError, RestartPolicy,
    Shutdown, Stop, Supervisor,
};

use crate::{
    support::{Do, Journal, Probes, exact, fragile, paused, secs, settle, start, token},
    times::patient,
};

#[test]
fn a_declared_child_comes_back_as_what_it_was_replaced_by() {
    paused(async {
        let journal = Journal::default();
        let spec = Probes::spec("old", &journal);
        let probe = spec.addr();
        let nested = fragile().on_limit(OnLimit::Escalate);
        let nested = Supervisor::with_spec("nested", nested).unwrap().child(spec);
        let nested_addr = nested.addr();
        let _root = Supervisor::with_spec("root", patient())
            .unwrap()
            .child(ChildSpec::supervisor(nested))
            .start();
        let old = token(&nested_addr, "old").await;
        let new = Probes::spec("new", &journal);
        assert_eq!(nested_addr.send(Replace(old, new)).await.unwrap(), Ok(()));
        probe.do_send(Do::Panic);
        assert_eq!(probe.send(Do::Nothing).await, Ok(2));
        assert_eq!(journal.count("new: made 2"), 1);
        assert_eq!(token(&nested_addr, "new").await, old);
    });
}

#[test]
fn what_becomes_significant_or_no_longer_so_counts_from_then_on() {
    paused(async {
        let journal = Journal::default();
        let spec = |yes| {
            let spec = Probes::spec("x", &journal).restart(RestartPolicy::Transient);
            spec.significant(yes)
        };
        let first = spec(false);
        let addr = first.addr();
        let settings = exact().auto_shutdown(AutoShutdown::AllSignificant);
        let root = Supervisor::with_spec("root", settings).unwrap().child(first);
        let (root, served) = (root.addr(), actix_rt::spawn(root.serve()));
        let x = token(&root, "x").await;
        for yes in [true, false, true] {
            assert_eq!(root.send(Replace(x, spec(yes))).await.unwrap(), Ok(()));
        }
        addr.do_send(Do::Stop);
        assert!(served.await.unwrap().is_ok());
    });
}

#[test]
fn who_waits_for_an_added_child_is_told_when_its_replacement_is_ready() {
    paused(async {
        let (journal, root) = (Journal::default(), start("root", exact()));
        let added = root.send(AddAndWait(Probes::slow("old", &journal, secs(60))));
        let added = actix_rt::spawn(added);
        settle().await;
        let old = token(&root, "old").await;
        let new = Probes::spec("new", &journal);
        assert_eq!(root.send(Replace(old, new)).await.unwrap(), Ok(()));
        settle().await;
        assert!(added.is_finished());
        let child = added.await.unwrap().unwrap().unwrap();
        assert_eq!(child.token(), old);
        assert_eq!(child.addr().send(Do::Nothing).await, Ok(1));
    });
}

#[test]
fn nothing_is_replaced_while_all_stops() {
    paused(async {
        let journal = Journal::default();
        let hung = Probes::hung("hung", &journal).shutdown(Shutdown::Timeout(secs(5)));
        let root = Supervisor::new("root").child(hung).start();
        let hung = token(&root, "hung").await;
        root.do_send(Stop);
        settle().await;
        let new = Probes::spec("new", &journal);
        let addr = new.addr();
        let refused = root.send(Replace(hung, new)).await.unwrap();
        assert_eq!(refused, Err(ReplaceError::Child(ChildError::Stopping)));
        assert!(!addr.connected());
    });
}

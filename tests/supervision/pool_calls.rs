//! Which member of a pool is called for a message: each message finds one that can take it.

use actix::prelude::*;
use actix_supervisor::{Add, Backoff, ChildSpec, Kill, Remove, SupervisedContext, Supervisor};
use tokio::time::timeout;

use crate::{
    puppet::{Puppet, life, tell},
    support::{exact, info, paused, placed, secs, settle, start, token},
};

/// A pool of two, which know their numbers as their lives, and whose supervisor is told what to do with one.
struct Two {
    _root: Addr<Supervisor>,
    pool: Addr<Puppet>,
    members: Addr<Supervisor>,
}

impl Two {
    async fn idle() -> Self {
        let mut made = 0;
        let spec = ChildSpec::pool("workers", 2, move |_| {
            made += 1;
            Puppet::new(made)
        });
        let root = start("root", exact().failure_threshold(1_000.0));
        let spec = placed(spec).backoff(Backoff::constant(secs(60)));
        let pool = root.send(Add(spec)).await.unwrap().unwrap().addr();
        settle().await;
        let members = info(&root, "workers").await.addr().unwrap();
        Self { _root: root, pool, members }
    }

    /// Who takes the next message, if anybody does so soon.
    async fn next(&self) -> Option<u32> {
        timeout(secs(1), self.pool.send(life())).await.ok().map(Result::unwrap)
    }
}

#[test]
fn who_was_idle_and_is_gone_is_not_called() {
    paused(async {
        let two = Two::idle().await;
        let first = token(&two.members, "workers-1").await;
        two.members.send(Kill(first)).await.unwrap().unwrap();
        settle().await;
        assert_eq!(two.next().await, Some(2));
    });
}

#[test]
fn who_is_gone_before_it_has_looked_leaves_its_call_to_another_one() {
    paused(async {
        let two = Two::idle().await;
        let first = token(&two.members, "workers-1").await;
        // The supervisor has its turn first, and the member finds both in its own.
        two.members.do_send(Kill(first));
        assert_eq!(two.next().await, Some(2));
    });
}

#[test]
fn who_finishes_what_it_has_in_hand_leaves_its_call_to_another_one() {
    paused(async {
        let two = Two::idle().await;
        let hold = tell(|_, ctx| {
            let in_hand = ctx.in_hand();
            ctx.run_later(secs(30), move |_, _| drop(in_hand));
        });
        assert_eq!(two.pool.send(hold).await, Ok(1));
        settle().await;
        let first = token(&two.members, "workers-1").await;
        two.members.do_send(Remove(first));
        assert_eq!(two.next().await, Some(2));
    });
}

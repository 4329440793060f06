//! Members of a pool on threads of their own.

use std::time::Duration;

use actix::prelude::*;
use actix_supervisor::{ChildSpec, Placement, Stop, Supervisor};
use tokio::time::timeout;

use crate::{
    place::Stuck,
    puppet::{Puppet, life, tell},
    seen::real,
};

#[test]
fn who_is_busy_with_something_else_than_a_message_is_not_called() {
    real(async {
        let pool = ChildSpec::pool("pool", 2, |_| Puppet::new(1)).placement(Placement::Dedicated);
        let addr = pool.addr();
        let root = Supervisor::new("root").child(pool).start();
        let mut stuck = Vec::new();
        // Each of them had found the mailbox empty before its timer came.
        for _ in 0..2 {
            let (block, mut one) = Stuck::new();
            addr.do_send(tell(move |_, ctx| {
                ctx.run_later(Duration::from_millis(1), move |_, _| block());
            }));
            one.is_stuck().await;
            stuck.push(one);
        }
        let next = addr.send(life());
        stuck.pop().expect("two are").release();
        let taken = timeout(Duration::from_secs(60), next).await;
        assert_eq!(taken, Ok(Ok(1)), "by the one that is free");
        drop(stuck);
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

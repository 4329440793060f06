//! How an actor can end, and what its restart policy makes of that.
//!
//! ```text
//! $ cargo run --example 02_exits_and_policies
//!                  Permanent  Transient  Temporary
//! panic!()         restarted  restarted  ended
//! ctx.fail(error)  restarted  restarted  ended
//! ctx.stop()       restarted  ended      ended
//! ctx.finish()     ended      ended      ended
//! ```

#![allow(clippy::print_stdout)]

use actix::prelude::*;
use actix_supervisor::{
    ChildSpec, RestartPolicy, Stop, SupervisedContext, Supervisor, install_panic_hook,
};

struct Worker;

impl Actor for Worker {
    type Context = Context<Self>;
}

#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
enum Job {
    Nothing,
    Panic,
    Fail,
    Stop,
    Finish,
}

impl Handler<Job> for Worker {
    type Result = ();

    fn handle(&mut self, job: Job, ctx: &mut Self::Context) {
        match job {
            Job::Nothing => {}
            Job::Panic => panic!("a bug"),
            // These two are Actix's.
            Job::Stop => ctx.stop(),
            // These come with `SupervisedContext`.
            Job::Fail => ctx.fail("the disk is full"),
            Job::Finish => ctx.finish(),
        }
    }
}

#[actix::main]
async fn main() -> Result<(), MailboxError> {
    install_panic_hook(); // a supervisor tells of its children's panics, so nothing else has to

    let policies = [RestartPolicy::Permanent, RestartPolicy::Transient, RestartPolicy::Temporary];
    let exits = [
        ("panic!()", Job::Panic),
        ("ctx.fail(error)", Job::Fail),
        ("ctx.stop()", Job::Stop),
        ("ctx.finish()", Job::Finish),
    ];
    println!("                 Permanent  Transient  Temporary");
    for (name, exit) in exits {
        let mut row = Vec::new();
        for policy in policies {
            row.push(what_follows(exit, policy).await?);
        }
        println!("{name:15}  {:9}  {:9}  {}", row[0], row[1], row[2]);
    }
    Ok(())
}

async fn what_follows(exit: Job, policy: RestartPolicy) -> Result<&'static str, MailboxError> {
    let spec = ChildSpec::actor("worker", |_ctx| Worker).restart(policy);
    let worker = spec.addr();
    let root = Supervisor::new("root").child(spec).start();

    worker.do_send(exit);
    // It is behind the exit in the mailbox, which the next incarnation takes over, if there is one.
    let follows = match worker.send(Job::Nothing).await {
        Ok(()) => "restarted",
        Err(_) => "ended",
    };
    root.send(Stop).await?;
    Ok(follows)
}

//! Who is a member of a pool, and what follows when none is left.

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, Child, ChildError, ChildSpec, InFlight, Remove, Replace, Resize, ResizeError,
    Restart, RestartPolicy, Stop, SupervisedContext, Supervisor, Terminate,
};

use crate::support::{Events, exact, info, list, paused, secs, settle, sleep, start, token};

const POLICIES: [RestartPolicy; 3] =
    [RestartPolicy::Permanent, RestartPolicy::Transient, RestartPolicy::Temporary];

#[derive(Default)]
struct Worker {
    in_hand: Option<InFlight>,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

/// What a worker is told to do.
#[derive(Message)]
#[rtype(result = "()")]
enum Do {
    Nothing,
    Finish,
    Panic,
    TerminateTree,
    /// To have this in hand for two seconds.
    Hold,
}

impl Handler<Do> for Worker {
    type Result = ();

    fn handle(&mut self, what: Do, ctx: &mut Context<Self>) {
        match what {
            Do::Nothing => {}
            Do::Finish => ctx.finish(),
            Do::Panic => panic!("told to panic"),
            Do::TerminateTree => ctx.terminate_tree("told to"),
            Do::Hold => {
                self.in_hand = Some(ctx.in_hand());
                ctx.run_later(secs(2), |worker, _| worker.in_hand = None);
            }
        }
    }
}

fn pool(members: usize) -> ChildSpec<Worker> {
    ChildSpec::pool("workers", members, |_| Worker::default())
}

struct Bench {
    root: Addr<Supervisor>,
    pool: Child<Worker>,
    /// The supervisor that the pool is.
    members: Addr<Supervisor>,
    events: Events,
}

impl Bench {
    async fn with(spec: ChildSpec<Worker>) -> Self {
        let root = start("root", exact().failure_threshold(1_000.0));
        let events = Events::of(&root).await;
        let pool = root.send(Add(spec)).await.unwrap().unwrap();
        settle().await;
        let members = info(&root, "workers").await.addr().unwrap();
        Self { root, pool, members, events }
    }

    async fn tell(&self, what: Do) -> Result<(), MailboxError> {
        self.pool.addr().send(what).await
    }

    async fn assert_ended(&self) {
        settle().await;
        assert!(list(&self.root).await.is_empty());
        assert_eq!(self.tell(Do::Nothing).await, Err(MailboxError::Closed));
        assert_eq!(self.events.lines().last().unwrap(), "root/workers: ChildEnded");
    }
}

fn names(children: &[actix_supervisor::ChildInfo]) -> Vec<&str> {
    children.iter().map(|child| &*child.name).collect()
}

#[test]
fn a_pool_whose_members_have_all_finished_has_ended_whatever_its_policy() {
    for policy in POLICIES {
        paused(async {
            let bench = Bench::with(pool(2).restart(policy)).await;
            bench.tell(Do::Finish).await.unwrap();
            settle().await;
            bench.tell(Do::Nothing).await.unwrap();
            let (last, queued) =
                (bench.pool.addr().send(Do::Finish), bench.pool.addr().send(Do::Nothing));
            last.await.unwrap();
            assert_eq!(queued.await, Err(MailboxError::Closed), "{policy:?}");
            bench.assert_ended().await;
        });
    }
}

#[test]
fn a_pool_whose_members_have_given_up_has_ended() {
    paused(async {
        let bench = Bench::with(pool(2).give_up_after(1)).await;
        for _ in 0..2 {
            assert!(bench.tell(Do::Panic).await.is_err());
            settle().await;
        }
        bench.assert_ended().await;
    });
}

#[test]
fn a_pool_whose_last_member_is_removed_has_ended() {
    paused(async {
        let bench = Bench::with(pool(2)).await;
        let first = token(&bench.members, "workers-1").await;
        bench.members.send(Remove(first)).await.unwrap().unwrap();
        bench.tell(Do::Nothing).await.unwrap();
        bench.tell(Do::Finish).await.unwrap();
        bench.assert_ended().await;

        let bench = Bench::with(pool(1)).await;
        let last = token(&bench.members, "workers-1").await;
        bench.members.send(Remove(last)).await.unwrap().unwrap();
        bench.assert_ended().await;
    });
}

#[test]
fn one_that_finishes_while_the_other_one_leaves_is_the_last_one() {
    paused(async {
        let bench = Bench::with(pool(2)).await;
        bench.tell(Do::Hold).await.unwrap();
        let second = token(&bench.members, "workers-2").await;
        bench.members.send(Terminate(second)).await.unwrap().unwrap();
        bench.members.send(Restart(second)).await.unwrap().unwrap();
        settle().await;
        // One has something in hand for two seconds: it leaves, and the other one finishes meanwhile.
        let first = token(&bench.members, "workers-1").await;
        bench.members.send(Remove(first)).await.unwrap().unwrap();
        bench.tell(Do::Finish).await.unwrap();
        sleep(secs(3)).await;
        bench.assert_ended().await;
    });
}

#[test]
fn a_terminated_member_can_come_back_so_its_pool_has_not_ended() {
    paused(async {
        let bench = Bench::with(pool(2)).await;
        let first = token(&bench.members, "workers-1").await;
        bench.members.send(Terminate(first)).await.unwrap().unwrap();
        bench.tell(Do::Finish).await.unwrap();
        let queued = bench.pool.addr().send(Do::Nothing);
        settle().await;
        assert_eq!(names(&list(&bench.root).await), ["workers"]);
        bench.members.send(Restart(first)).await.unwrap().unwrap();
        assert_eq!(queued.await, Ok(()));
    });
}

#[test]
fn a_member_that_asks_for_the_end_of_the_tree_ends_the_supervisor_that_has_the_pool() {
    paused(async {
        let alone = exact().propagate_termination(false);
        let middle = Supervisor::with_spec("middle", alone).unwrap();
        let addr = middle.addr();
        let top = start("top", exact());
        top.send(Add(ChildSpec::supervisor(middle))).await.unwrap().unwrap();
        let pool = addr.send(Add(pool(2))).await.unwrap().unwrap();
        settle().await;
        let _ = pool.addr().send(Do::TerminateTree).await;
        settle().await;
        assert!(!addr.connected());
        assert!(top.connected() && list(&top).await.is_empty());
    });
}

#[test]
fn a_pool_that_is_stopping_is_not_resized() {
    paused(async {
        let bench = Bench::with(pool(1)).await;
        bench.tell(Do::Hold).await.unwrap();
        bench.members.do_send(Stop);
        settle().await;
        bench.events.take();
        let refused = bench.root.send(Resize(bench.pool.token(), 3)).await.unwrap();
        assert_eq!(refused, Err(ResizeError::Child(ChildError::Stopping)));
        settle().await;
        assert_eq!(bench.events.lines(), [] as [&str; 0]);
        sleep(secs(3)).await;
        assert_eq!(names(&list(&bench.members).await), ["workers-1"], "as its policy says");
    });
}

#[test]
fn a_new_size_of_a_pool_that_is_down_holds_when_it_starts() {
    paused(async {
        let bench = Bench::with(pool(1)).await;
        bench.root.send(Terminate(bench.pool.token())).await.unwrap().unwrap();
        assert_eq!(bench.root.send(Resize(bench.pool.token(), 3)).await.unwrap(), Ok(()));
        bench.root.send(Restart(bench.pool.token())).await.unwrap().unwrap();
        settle().await;
        assert_eq!(list(&bench.members).await.len(), 3);
    });
}

#[test]
fn a_pool_that_is_made_smaller_while_it_is_down_keeps_those_that_came_first_and_no_number_is_used_again()
 {
    paused(async {
        let bench = Bench::with(pool(3)).await;
        let pool = bench.pool.token();
        bench.root.send(Terminate(pool)).await.unwrap().unwrap();
        assert_eq!(bench.root.send(Resize(pool, 1)).await.unwrap(), Ok(()));
        bench.root.send(Restart(pool)).await.unwrap().unwrap();
        settle().await;
        assert_eq!(names(&list(&bench.members).await), ["workers-1"]);
        assert_eq!(bench.root.send(Resize(pool, 3)).await.unwrap(), Ok(()));
        let expected = ["workers-1", "workers-4", "workers-5"];
        assert_eq!(names(&list(&bench.members).await), expected);
    });
}

#[test]
fn neither_a_pool_nor_a_member_is_replaced() {
    paused(async {
        let bench = Bench::with(pool(1)).await;
        let (of_pool, member) = (bench.pool.token(), token(&bench.members, "workers-1").await);
        let single = || ChildSpec::actor("single", |_| Worker::default());
        for (supervisor, token, spec, name) in [
            (&bench.root, of_pool, pool(3), "workers"),
            (&bench.root, of_pool, single(), "workers"),
            (&bench.members, member, single(), "workers-1"),
            (&bench.members, member, pool(3), "workers-1"),
        ] {
            let addr = spec.addr();
            let refused = supervisor.send(Replace(token, spec)).await.unwrap().unwrap_err();
            let why = "is a pool or a member of one, which cannot be replaced";
            assert_eq!(refused.to_string(), format!("child {name:?} {why}"));
            assert!(!addr.connected());
        }
        settle().await;
        let member = info(&bench.members, "workers-1").await;
        assert_eq!(member.restarts, 0);
    });
}

#[test]
fn nobody_else_is_added_to_a_pool() {
    paused(async {
        let bench = Bench::with(pool(2)).await;
        let other = || ChildSpec::actor("other", |_| Worker::default());
        let (added, waited) =
            (bench.members.send(Add(other())), bench.members.send(AddAndWait(other())));
        for refused in [added.await.unwrap(), waited.await.unwrap()] {
            assert_eq!(
                refused.unwrap_err().to_string(),
                "the supervisor is a pool, which has no children but its members"
            );
        }
        assert_eq!(names(&list(&bench.members).await), ["workers-1", "workers-2"]);
        assert_eq!(bench.root.send(Resize(bench.pool.token(), 1)).await.unwrap(), Ok(()));
        assert_eq!(names(&list(&bench.members).await), ["workers-1"]);
    });
}

#[test]
fn a_supervisor_that_is_no_pool_is_not_resized() {
    paused(async {
        let below = ChildSpec::supervisor(Supervisor::new("below"));
        let root = Supervisor::new("root").child(below).start();
        let below = token(&root, "below").await;
        let refused = root.send(Resize(below, 3)).await.unwrap().unwrap_err();
        assert_eq!(refused.to_string(), "child \"below\" is no pool");
        let refused = root.send(Resize(below, 0)).await.unwrap().unwrap_err();
        let allowed = "child \"below\": members = 0 is not allowed; allowed: one or more";
        assert_eq!(refused.to_string(), allowed);
    });
}

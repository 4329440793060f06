//! Many children at once, in real time.

use actix::prelude::*;
use actix_supervisor::{ChildSpec, Spec, Status, Stop, SupervisedContext, Supervisor};
use futures::future::join_all;

const CHILDREN: usize = if cfg!(debug_assertions) { 5_000 } else { 100_000 };

struct Fragile {
    life: u32,
}

impl Actor for Fragile {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u32")]
enum Tell {
    Fail,
    Life,
}

impl Handler<Tell> for Fragile {
    type Result = u32;

    fn handle(&mut self, told: Tell, ctx: &mut Self::Context) -> u32 {
        match told {
            Tell::Fail => ctx.fail("all at once"),
            Tell::Life => {}
        }
        self.life
    }
}

fn spec(number: usize) -> ChildSpec<Fragile> {
    let mut life = 0;
    ChildSpec::actor(format!("child-{number}"), move |_ctx| {
        life += 1;
        Fragile { life }
    })
}

#[test]
fn all_children_fail_at_once_and_are_back_while_status_is_answered() {
    System::new().block_on(async {
        let settings = Spec::default().failure_threshold(f64::from(u32::MAX)).event_hook(|_| {});
        let mut supervisor = Supervisor::with_spec("root", settings).unwrap();
        let mut children = Vec::new();
        for number in 0..CHILDREN {
            let spec = spec(number);
            children.push(spec.addr());
            supervisor = supervisor.child(spec);
        }
        let root = supervisor.start();
        assert_eq!(
            join_all(children.iter().map(|child| child.send(Tell::Life))).await.len(),
            CHILDREN
        );

        children.iter().for_each(|child| child.do_send(Tell::Fail));
        let mut answers_meanwhile = 0;
        loop {
            let status = root.send(Status).await.unwrap();
            assert_eq!(status.children.total(), CHILDREN);
            if status.restarts == CHILDREN as u64 && status.children.running == CHILDREN {
                break;
            }
            answers_meanwhile += 1;
        }
        assert!(answers_meanwhile > 10, "{answers_meanwhile} answers");
        for life in join_all(children.iter().map(|child| child.send(Tell::Life))).await {
            assert_eq!(life, Ok(2));
        }
        assert!(root.send(Stop).await.unwrap().is_clean());
    });
}

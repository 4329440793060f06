//! How long a picture of the tree is good for.

use actix_supervisor::{AddAndWait, Placement, test_kit::Stuck};
use tokio::time::{advance, pause};

use crate::*;

const MILLISECOND: Duration = Duration::from_millis(1);

/// How many children are in the picture.
async fn seen(app: &impl Service<Req, Response = Res, Error = Error>) -> usize {
    let told = json_of(app, "/supervisor/tree.json").await;
    told["tree"]["children"].as_array().unwrap().len()
}

#[test]
fn a_picture_is_good_for_a_quarter_of_a_second() {
    run(async {
        pause();
        let root = Supervisor::new("root").start();
        let app = app(web::scope(root.clone())).await;
        assert_eq!(seen(&app).await, 0);
        root.send(AddAndWait(quiet("child"))).await.unwrap().unwrap();
        advance(Duration::from_millis(250) - MILLISECOND).await;
        assert_eq!(seen(&app).await, 0);
        advance(MILLISECOND).await;
        assert_eq!(seen(&app).await, 1);
    });
}

/// Blocks its thread in each handler.
struct Blocked(Option<Box<dyn FnOnce() + Send>>);

impl Actor for Blocked {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.0.take().expect("it starts once")();
    }
}

#[test]
fn one_that_took_long_is_good_for_longer_but_for_no_more_than_five_seconds() {
    run(async {
        let (block, mut stuck) = Stuck::new();
        let mut block = Some(Box::new(block) as Box<dyn FnOnce() + Send>);
        let blocked = ChildSpec::actor("blocked", move |_| Blocked(block.take()));
        let below = ChildSpec::supervisor(Supervisor::new("below").child(blocked));
        let root = Supervisor::new("root").child(below.placement(Placement::Dedicated)).start();
        let app = app(web::scope(root.clone())).await;
        stuck.is_stuck().await;
        pause();
        // It takes a second, in which the one below does not answer.
        assert_eq!(seen(&app).await, 1);
        root.send(AddAndWait(quiet("child"))).await.unwrap().unwrap();
        advance(Duration::from_secs(5) - MILLISECOND).await;
        assert_eq!(seen(&app).await, 1);
        advance(MILLISECOND).await;
        assert_eq!(seen(&app).await, 2);
        stuck.release();
    });
}

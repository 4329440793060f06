//! Events as they happen.

use crate::*;

#[test]
fn events_are_told_as_they_happen_and_resumed_where_they_were_left() {
    run(async {
        let worker = worker("worker");
        let addr = worker.addr();
        let root = Supervisor::new("root").child(worker).start();
        let app = app(web::scope(root)).await;
        let mut stream = Stream::open(&app, "/supervisor/events", None).await;
        assert_eq!(stream.named("hello").await["resumed"], false);
        addr.send(Crash).await.unwrap_err();
        let (id, failed) = stream.until("ChildFailed").await;
        assert_eq!(failed["path"], json!(["root", "worker"]));
        assert_eq!(failed["failure"], json!({"kind": "panic"}));
        stream.until("ChildReady").await;
        drop(stream);

        addr.send(Crash).await.unwrap_err();
        let mut stream = Stream::open(&app, "/supervisor/events", Some(&id)).await;
        assert_eq!(stream.named("hello").await["resumed"], true);
        let mut kinds = Vec::new();
        for _ in 0..5 {
            let (_, event) = stream.happened().await;
            kinds.push(event["kind"].as_str().unwrap().to_owned());
        }
        let again = ["ChildRestarted", "ChildReady", "ChildFailed", "ChildRestarted", "ChildReady"];
        assert_eq!(kinds, again);
    });
}

#[test]
fn who_comes_back_too_late_is_told_how_many_events_were_missed() {
    run(async {
        let root = Supervisor::new("root").start();
        let app = app(web::scope(root.clone())).await;
        let mut stream = Stream::open(&app, "/supervisor/events", None).await;
        stream.named("hello").await;
        root.send(actix_supervisor::AddAndWait(quiet("first"))).await.unwrap().unwrap();
        let (first, _) = stream.until("ChildReady").await;
        drop(stream);
        for number in 0..3_000 {
            let child = quiet(&format!("child-{number}"));
            root.send(actix_supervisor::AddAndWait(child)).await.unwrap().unwrap();
        }
        let mut stream = Stream::open(&app, "/supervisor/events", Some(&first)).await;
        let missed = stream.named("missed").await["missed"].as_u64().unwrap();
        assert_eq!(missed, 6_000 - 4_096);
        assert_eq!(stream.happened().await.1["id"], 2 + missed + 1);
    });
}

#[test]
fn another_run_of_the_process_resumes_nothing_and_says_so() {
    run(async {
        let root = Supervisor::new("root").child(quiet("child"));
        let scope = web::scope(root.addr());
        root.start();
        let app = app(scope).await;
        let mut stream = Stream::open(&app, "/supervisor/events", Some("1-99999")).await;
        assert_eq!(stream.named("hello").await["resumed"], false);
        assert_eq!(stream.happened().await.1["id"], 1);
    });
}

#[test]
fn all_workers_number_the_same_events_in_the_same_way() {
    run(async {
        let worker = worker("worker");
        let addr = worker.addr();
        let root = Supervisor::new("root").child(worker).start();
        let scopes = [web::scope(root.clone()), web::scope(root.clone())];
        let [one, other] = scopes;
        let (one, other) = (app(one).await, app(other).await);
        let mut streams = Vec::new();
        streams.push(Stream::open(&one, "/supervisor/events?last=10", None).await);
        streams.push(Stream::open(&other, "/supervisor/events?last=10", None).await);
        addr.send(Crash).await.unwrap_err();
        let first = streams[0].until("ChildFailed").await;
        assert_eq!(first, streams[1].until("ChildFailed").await);
        // The server is started anew: what was is still there.
        drop((one, other, streams));
        let third = app(web::scope(root)).await;
        let mut stream = Stream::open(&third, "/supervisor/events?last=10", None).await;
        assert_eq!(first, stream.until("ChildFailed").await);
    });
}

#[test]
fn a_stream_ends_when_its_server_is_asked_to_stop() {
    run(async {
        let stop = CancellationToken::new();
        let root = Supervisor::new("root").start();
        let app = app(web::scope(root).until(stop.clone())).await;
        let mut stream = Stream::open(&app, "/supervisor/events", None).await;
        stream.named("hello").await;
        stop.cancel();
        assert_eq!(stream.next().await, None);
    });
}

//! Services: code that is no actor, wrapped as one.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{self, Poll},
    thread,
};

use actix::{Actor, ActorContext, ActorFuture, AsyncContext, Context, Running};
use futures::FutureExt;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{context, link::Calls, panics};
use crate::{
    failure::{Exit, Failure, Outcome, PanicInfo},
    record::Span,
};

/// The actor that runs a service: see [`ChildSpec::service`](crate::ChildSpec::service) and
/// [`ChildSpec::blocking`](crate::ChildSpec::blocking).
///
/// It handles no messages; its address only tells whether the service is still supervised.
pub struct ServiceActor {
    /// `None` once it has returned.
    run: Option<Run>,
    ready: Readiness,
    token: CancellationToken,
}

/// When a service is ready.
enum Readiness {
    /// When it has been polled once.
    Polled,
    /// When its thread has called it.
    Called(oneshot::Receiver<()>),
}

type Run = Pin<Box<dyn Future<Output = Outcome>>>;

impl ServiceActor {
    /// An async service: calls it, and keeps its future, which the actor polls.
    pub(super) fn service<Fut>(serve: impl FnOnce(CancellationToken) -> Fut) -> Self
    where
        Fut: Future<Output: Into<Exit>> + 'static,
    {
        let token = CancellationToken::new();
        let run = serve(token.clone()).map(|returned| returned.into().into());
        Self { run: Some(Box::pin(run)), ready: Readiness::Polled, token }
    }

    /// A blocking service on a thread of its own, named after it.
    ///
    /// If an earlier incarnation's thread was left behind and still runs, the new one waits for it: a
    /// service is never called twice at a time.
    pub(super) fn blocking<F, R>(name: String, serve: Arc<Mutex<F>>, calls: Calls) -> Self
    where
        F: FnMut(CancellationToken) -> R + Send + 'static,
        R: Into<Exit>,
    {
        let token = CancellationToken::new();
        let (begins, begun) = oneshot::channel();
        let given = token.clone();
        let run = async move {
            // Before there is a thread: a stop that comes in between must not overlook it.
            let Some(call) = given.run_until_cancelled(calls.turn()).await else {
                return Outcome::Stopped;
            };
            let (returns, returned) = oneshot::channel();
            let span = Span::current();
            let thread = move || {
                let _inside = span.enter();
                let _ = begins.send(());
                let result = panics::catch(|| {
                    let mut serve = serve.lock().unwrap_or_else(PoisonError::into_inner);
                    Outcome::from((*serve)(given).into())
                });
                // The last one, if it was replaced meanwhile.
                panics::discard(serve);
                drop(call);
                let _ = returns.send(result.unwrap_or_else(panicked));
            };
            match thread::Builder::new().name(name).spawn(thread) {
                Ok(_) => returned.await.unwrap_or(Outcome::Stopped),
                Err(error) => Outcome::Failed(Failure::error(error)),
            }
        };
        Self { run: Some(Box::pin(run)), ready: Readiness::Called(begun), token }
    }

    fn poll_run(&mut self, task: &mut task::Context<'_>) -> Poll<Outcome> {
        let Some(run) = &mut self.run else { return Poll::Pending };
        let outcome = task::ready!(run.as_mut().poll(task));
        self.run = None;
        Poll::Ready(outcome)
    }
}

/// Ends the incarnation as its service has.
fn conclude(outcome: Outcome, ctx: &mut Context<ServiceActor>) {
    if let Some(scope) = context::current(ctx) {
        scope.conclude(outcome);
    }
    ctx.terminate();
}

fn panicked(info: PanicInfo) -> Outcome {
    Outcome::Failed(Failure::Panic(info))
}

impl Actor for ServiceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.wait(Start);
        ctx.spawn(GoOn);
    }

    /// A stop request cancels the token, and the service takes its time.
    fn stopping(&mut self, _ctx: &mut Self::Context) -> Running {
        self.token.cancel();
        match self.run {
            Some(_) => Running::Continue,
            None => Running::Stop,
        }
    }
}

impl Drop for ServiceActor {
    /// What the service has spawned with a clone of its token ends with it.
    fn drop(&mut self) {
        self.token.cancel();
    }
}

impl fmt::Debug for ServiceActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceActor").finish_non_exhaustive()
    }
}

/// Runs the service until it is ready.
struct Start;

impl ActorFuture<ServiceActor> for Start {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut ServiceActor,
        ctx: &mut Context<ServiceActor>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        if let Poll::Ready(outcome) = actor.poll_run(task) {
            let was_ready = match &mut actor.ready {
                // One that has done its work at its first poll was ready; one that has failed was not.
                Readiness::Polled => matches!(outcome, Outcome::Stopped | Outcome::Finished),
                Readiness::Called(called) => called.try_recv().is_ok(),
            };
            if let (true, Some(scope)) = (was_ready, context::current(ctx)) {
                scope.ready();
            }
            conclude(outcome, ctx);
            return Poll::Ready(());
        }
        match &mut actor.ready {
            Readiness::Polled => Poll::Ready(()),
            Readiness::Called(called) => Pin::new(called).poll(task).map(|_| ()),
        }
    }
}

/// Runs the service to its end.
struct GoOn;

impl ActorFuture<ServiceActor> for GoOn {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut ServiceActor,
        ctx: &mut Context<ServiceActor>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        actor.poll_run(task).map(|outcome| conclude(outcome, ctx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_of_it_says_what_it_is() {
        let service = ServiceActor::service(|_| async {});
        assert_eq!(format!("{service:?}"), "ServiceActor { .. }");
    }
}

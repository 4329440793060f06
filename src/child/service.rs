//! Services: code that is no actor, wrapped as one.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    task::{self, Poll},
    thread,
};

use actix::{
    Actor, ActorContext, ActorFuture, AsyncContext, Context, Running, WrapFuture,
    fut::ActorFutureExt,
};
use futures::FutureExt;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{context, link::InCall, panics};
use crate::failure::{Exit, Failure, Outcome, PanicInfo};

/// The actor that runs a service: see [`ChildSpec::service`](crate::ChildSpec::service) and
/// [`ChildSpec::blocking`](crate::ChildSpec::blocking).
///
/// It handles no messages; its address only tells whether the service is still supervised.
pub struct ServiceActor {
    /// `None` once it has returned.
    run: Option<Run>,
    /// Resolves when a blocking service's thread has called it.
    called: Option<oneshot::Receiver<()>>,
    token: CancellationToken,
}

type Run = Pin<Box<dyn Future<Output = Outcome>>>;

impl ServiceActor {
    /// The first part of an async service, up to its first poll.
    pub(super) fn service<Fut>(serve: impl FnOnce(CancellationToken) -> Fut) -> Self
    where
        Fut: Future<Output: Into<Exit>> + 'static,
    {
        let token = CancellationToken::new();
        let run = serve(token.clone()).map(|returned| returned.into().into());
        Self { run: Some(Box::pin(run)), called: None, token }
    }

    /// A blocking service on a thread of its own, named after it.
    ///
    /// If an earlier incarnation's thread was left behind and still runs, the new one waits for it: a
    /// service is never called twice at a time.
    pub(super) fn blocking<F, R>(
        name: &str,
        serve: &Arc<Mutex<F>>,
        in_call: &InCall,
    ) -> io::Result<Self>
    where
        F: FnMut(CancellationToken) -> R + Send + 'static,
        R: Into<Exit>,
    {
        let token = CancellationToken::new();
        let (calls, called) = oneshot::channel();
        let (returns, returned) = oneshot::channel();
        let (serve, in_call) = (Arc::clone(serve), Arc::clone(in_call));
        let given = token.clone();
        // The system takes no name with a zero in it.
        thread::Builder::new().name(name.replace('\0', "")).spawn(move || {
            let mut serve = serve.lock().unwrap_or_else(PoisonError::into_inner);
            if given.is_cancelled() {
                // It has waited for an earlier call to return, and is not wanted any more.
                return;
            }
            in_call.store(true, Ordering::Release);
            let _ = calls.send(());
            let result = panics::catch(|| Outcome::from(serve(given).into()));
            in_call.store(false, Ordering::Release);
            drop(serve);
            let _ = returns.send(result.unwrap_or_else(panicked));
        })?;
        let run = returned.map(|result| result.unwrap_or(Outcome::Stopped));
        Ok(Self { run: Some(Box::pin(run)), called: Some(called), token })
    }

    fn poll_run(&mut self, ctx: &mut Context<Self>, task: &mut task::Context<'_>) -> Poll<()> {
        let Some(run) = &mut self.run else { return Poll::Ready(()) };
        let outcome = task::ready!(run.as_mut().poll(task));
        self.run = None;
        if let Some(scope) = context::current(ctx) {
            scope.conclude(outcome);
        }
        ctx.terminate();
        Poll::Ready(())
    }
}

fn panicked(info: PanicInfo) -> Outcome {
    Outcome::Failed(Failure::Panic(info))
}

impl Actor for ServiceActor {
    type Context = Context<Self>;

    /// It is ready when it has been polled once, or its thread has called it.
    fn started(&mut self, ctx: &mut Self::Context) {
        match self.called.take() {
            Some(called) => ctx.wait(called.into_actor(self).map(|_, _, _| ())),
            None => ctx.wait(PollRun { once: true }),
        }
        ctx.spawn(PollRun { once: false });
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

struct PollRun {
    once: bool,
}

impl ActorFuture<ServiceActor> for PollRun {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        actor: &mut ServiceActor,
        ctx: &mut Context<ServiceActor>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        match actor.poll_run(ctx, task) {
            Poll::Pending if self.once => Poll::Ready(()),
            polled => polled,
        }
    }
}

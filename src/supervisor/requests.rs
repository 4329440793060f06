//! The supervisor's message handlers.

use std::{sync::Arc, time::Duration};

use actix::{Actor, Context, Handler, MessageResult};
use futures::FutureExt;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    Supervisor,
    look::Walk,
    reply::{AtItsEnd, Reply, carried_out, removed},
    shell::{Course, Refused, Shell, now},
};
#[cfg(feature = "web")]
use crate::messages::Observe;
use crate::{
    child::{Child, ChildSpec},
    error::{AddError, ChildError, RemoveError, ReplaceError, ResizeError},
    failure::Failure,
    info::{ChildInfo, SupervisorState, TreeNode},
    machine::{Input, Request, Settled, Wait},
    messages::{
        Add, AddAndWait, Join, Kill, List, Remove, RemoveAndWait, Replace, Resize, Restart, Resume,
        Status, Stop, Subscribe, Terminate, Tree,
    },
    spec::check,
    token::ChildToken,
};

/// How long [`Tree`] waits for supervisors on other threads. One may be stuck.
const PATIENCE: Duration = Duration::from_secs(1);

impl Shell {
    fn add_spec<A>(
        &mut self,
        spec: ChildSpec<A>,
        on_trial: bool,
        ctx: &mut Context<Supervisor>,
    ) -> Result<Child<A>, AddError>
    where
        A: Actor<Context = Context<A>>,
    {
        if self.machine.state() == SupervisorState::Stopping {
            return spec.refused(AddError::Stopping);
        }
        if self.is_pool {
            return spec.refused(AddError::IsPool);
        }
        let max = self.blueprint.spec.max_children;
        if let Some(max) = max.filter(|&max| self.machine.counts().total() >= max) {
            return spec.refused(AddError::TooManyChildren { max });
        }
        if let Err(error) = spec.check_place() {
            return spec.refused(error);
        }
        let (child, addr) = self.blueprint.take_on(spec, &mut self.alike)?;
        let name = child.name.clone();
        let id = self.add(child, on_trial, ctx);
        Ok(Child::new(self.token(id), addr, name))
    }

    /// Swaps a child's spec, and restarts it if it is up.
    fn replace<A>(
        &mut self,
        token: ChildToken,
        spec: ChildSpec<A>,
        ctx: &mut Context<Supervisor>,
    ) -> Result<Course, ReplaceError>
    where
        A: Actor<Context = Context<A>>,
    {
        // Refused or not, nothing has been asked of the child yet.
        if let Err(refused) = self.knows(token) {
            return spec.refused(ReplaceError::Child(refused.into()));
        }
        let settings = &self.blueprint.spec;
        if let Some(entry) = self.children.get_mut(token.child) {
            spec.replace(&mut entry.child, settings)?;
            let terms = entry.child.terms.clone();
            if entry.handle.is_none() && entry.life > 0 {
                // Down: what it answers to senders may be different from now on.
                Arc::clone(&entry.child.kept).down();
            }
            self.input(Input::Retune { child: token.child, terms }, ctx);
        }
        self.request(token, Request::Renew, ctx)
            .map_err(|refused| ReplaceError::Child(refused.into()))
    }

    /// The pool's answer is whether it is done.
    fn resize_pool(
        &self,
        token: ChildToken,
        members: usize,
    ) -> Result<oneshot::Receiver<bool>, ResizeError> {
        self.knows(token).map_err(ChildError::from)?;
        let Some(entry) = self.children.get(token.child) else {
            return Err(ChildError::NotFound.into());
        };
        let name = &entry.child.name;
        check(members > 0, || format!("child {name:?}"), "members", &members, "one or more")?;
        match entry.child.nested() {
            Some(nested) if nested.is_pool() => Ok(nested.resize(members)),
            _ => Err(ResizeError::NotAPool { child: name.to_string() }),
        }
    }
}

impl<A: Actor<Context = Context<A>>> Handler<Add<A>> for Supervisor {
    type Result = Result<Child<A>, AddError>;

    fn handle(&mut self, Add(spec): Add<A>, ctx: &mut Self::Context) -> Self::Result {
        self.running(ctx).add_spec(spec, false, ctx)
    }
}

impl<A: Actor<Context = Context<A>>> Handler<AddAndWait<A>> for Supervisor {
    type Result = Reply<Result<Child<A>, AddError>>;

    fn handle(&mut self, AddAndWait(spec): AddAndWait<A>, ctx: &mut Self::Context) -> Self::Result {
        let mut shell = self.running(ctx);
        let child = match shell.add_spec(spec, true, ctx) {
            Ok(child) => child,
            Err(error) => return Reply::now(Err(error)),
        };
        // Its first notice is still to come: there is an answer to wait for.
        let ready = shell.until(child.token().child, Wait::Ready);
        Reply::after(ready, |(settled, failure)| match settled {
            Settled::Done => Ok(child),
            Settled::Failed => Err(AddError::Start(failure.unwrap_or(Failure::Stopped))),
            Settled::Superseded => Err(AddError::Interrupted),
            Settled::Stopping | Settled::Timeout => Err(AddError::Stopping),
        })
    }
}

impl Handler<Remove> for Supervisor {
    type Result = Result<(), RemoveError>;

    fn handle(&mut self, Remove(token): Remove, ctx: &mut Self::Context) -> Self::Result {
        match self.running(ctx).request(token, Request::Remove, ctx) {
            Ok(_) | Err(Refused::Overdue) => Ok(()),
            Err(refused) => Err(refused.into()),
        }
    }
}

impl Handler<RemoveAndWait> for Supervisor {
    type Result = Reply<Result<(), RemoveError>>;

    fn handle(&mut self, message: RemoveAndWait, ctx: &mut Self::Context) -> Self::Result {
        let RemoveAndWait { token, timeout } = message;
        let until: Option<Instant> = timeout.and_then(|timeout| now().checked_add(timeout));
        let course = self.running(ctx).request(token, Request::Remove, ctx);
        match (course, until) {
            (Ok(Course::Until(stopped)), Some(until)) => {
                let stopped = timeout_at(until, stopped.settled());
                Reply::when(
                    stopped.map(|settled| settled.map_or(Err(RemoveError::Timeout), removed)),
                )
            }
            (course, _) => Reply::to(course, removed),
        }
    }
}

impl Supervisor {
    fn child_request(
        &mut self,
        token: ChildToken,
        request: Request,
        ctx: &mut Context<Self>,
    ) -> Reply<Result<(), ChildError>> {
        Reply::to(self.running(ctx).request(token, request, ctx), carried_out)
    }
}

impl<A: Actor<Context = Context<A>>> Handler<Replace<A>> for Supervisor {
    type Result = Reply<Result<(), ReplaceError>>;

    fn handle(
        &mut self,
        Replace(token, spec): Replace<A>,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let course = self.running(ctx).replace(token, spec, ctx);
        Reply::to(course, |settled| carried_out(settled).map_err(ReplaceError::from))
    }
}

impl Handler<Resize> for Supervisor {
    type Result = Reply<Result<(), ResizeError>>;

    fn handle(&mut self, Resize(token, members): Resize, ctx: &mut Self::Context) -> Self::Result {
        let asked = self.running(ctx).resize_pool(token, members);
        Reply::when(async move {
            match asked?.await {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(ChildError::Stopping.into()),
            }
        })
    }
}

impl Handler<Restart> for Supervisor {
    type Result = Reply<Result<(), ChildError>>;

    fn handle(&mut self, Restart(token): Restart, ctx: &mut Self::Context) -> Self::Result {
        self.child_request(token, Request::Restart, ctx)
    }
}

impl Handler<Terminate> for Supervisor {
    type Result = Reply<Result<(), ChildError>>;

    fn handle(&mut self, Terminate(token): Terminate, ctx: &mut Self::Context) -> Self::Result {
        self.child_request(token, Request::Terminate, ctx)
    }
}

impl Handler<Kill> for Supervisor {
    type Result = Reply<Result<(), ChildError>>;

    fn handle(&mut self, Kill(token): Kill, ctx: &mut Self::Context) -> Self::Result {
        self.child_request(token, Request::Kill, ctx)
    }
}

impl Handler<List> for Supervisor {
    type Result = Vec<ChildInfo>;

    fn handle(&mut self, List: List, ctx: &mut Self::Context) -> Self::Result {
        self.running(ctx).list()
    }
}

impl Handler<Status> for Supervisor {
    type Result = MessageResult<Status>;

    fn handle(&mut self, Status: Status, ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.running(ctx).status())
    }
}

impl Handler<Tree> for Supervisor {
    type Result = Reply<TreeNode>;

    fn handle(&mut self, Tree: Tree, ctx: &mut Self::Context) -> Self::Result {
        let (mut walk, until) = (Walk::from(&*self.running(ctx)), now() + PATIENCE);
        match walk.go_on() {
            Some(branch) if branch.awaited.is_empty() => Reply::now(branch.node),
            whole => Reply::when(async move {
                let branch = match whole {
                    Some(branch) => branch,
                    None => walk.finished().await,
                };
                branch.completed(until).await
            }),
        }
    }
}

impl Handler<Resume> for Supervisor {
    type Result = ();

    fn handle(&mut self, Resume: Resume, ctx: &mut Self::Context) -> Self::Result {
        self.running(ctx).input(Input::Resume, ctx);
    }
}

impl Handler<Subscribe> for Supervisor {
    type Result = ();

    fn handle(&mut self, Subscribe(subscriber): Subscribe, ctx: &mut Self::Context) {
        self.running(ctx).blueprint.bus.subscribe(subscriber);
    }
}

#[cfg(feature = "web")]
impl Handler<Observe> for Supervisor {
    type Result = MessageResult<Observe>;

    fn handle(&mut self, Observe: Observe, ctx: &mut Self::Context) -> Self::Result {
        MessageResult(self.running(ctx).blueprint.bus.hub())
    }
}

impl Handler<Stop> for Supervisor {
    type Result = AtItsEnd;

    fn handle(&mut self, Stop: Stop, ctx: &mut Self::Context) -> Self::Result {
        let mut shell = self.running(ctx);
        shell.input(Input::Stop, ctx);
        AtItsEnd(Arc::clone(&shell.blueprint))
    }
}

impl Handler<Join> for Supervisor {
    type Result = AtItsEnd;

    fn handle(&mut self, Join: Join, ctx: &mut Self::Context) -> Self::Result {
        AtItsEnd(Arc::clone(&self.running(ctx).blueprint))
    }
}

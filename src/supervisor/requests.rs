//! The supervisor's message handlers.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use actix::{
    Actor, Context, Handler, Message, MessageResult,
    dev::{MessageResponse, OneshotSender},
};
use futures::future::{BoxFuture, Either, join_all, select};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    Supervisor,
    blueprint::{Blueprint, Ended},
    shell::{Answer, Refused, Shell, now},
};
#[cfg(feature = "web")]
use crate::messages::Observe;
use crate::{
    child::{Child, ChildSpec, Nested, Notice, panics},
    error::{AddError, ChildError, RemoveError, ReplaceError, ResizeError},
    failure::Failure,
    info::{AddrRef, Branch, ChildInfo, StopReport, SupervisorState, SupervisorStatus, TreeNode},
    machine::{Input, Listed, Request, Settled, Wait},
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
            panics::discard(spec);
            return Err(AddError::Stopping);
        }
        if self.blueprint.is_pool() {
            panics::discard(spec);
            return Err(AddError::IsPool);
        }
        let max = self.blueprint.spec.max_children;
        if let Some(max) = max.filter(|&max| self.machine.counts().total() >= max) {
            panics::discard(spec);
            return Err(AddError::TooManyChildren { max });
        }
        let spec = spec.placed()?;
        let addr = spec.addr();
        let child = self.blueprint.take_on(spec)?;
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
    ) -> Result<Option<oneshot::Receiver<Answer>>, ReplaceError>
    where
        A: Actor<Context = Context<A>>,
    {
        // Refused or not, nothing has been asked of the child yet.
        if let Err(refused) = self.knows(token) {
            panics::discard(spec);
            return Err(ReplaceError::Child(refused.into()));
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

    fn status(&self) -> SupervisorStatus {
        SupervisorStatus {
            name: self.blueprint.bus.name().to_string(),
            state: self.machine.state(),
            failures: self.machine.failures(now()),
            threshold: self.machine.threshold(),
            children: self.machine.counts(),
            restarts: self.machine.restarts(),
            left_behind: self.count_left_behind(),
        }
    }

    fn list(&self) -> Vec<ChildInfo> {
        let info = |listed: Listed| {
            let entry = self.children.get(listed.id)?;
            let kept = Arc::downgrade(&entry.child.kept);
            Some(ChildInfo {
                token: self.token(listed.id),
                name: entry.child.name.to_string(),
                kind: entry.child.terms.kind,
                state: listed.state,
                restarts: listed.restarts,
                last_failure: entry.last_failure.as_deref().cloned(),
                failures_in_row: listed.failures_in_row,
                next_start: listed.next_start,
                addr: AddrRef(kept),
            })
        };
        let mut list = Vec::with_capacity(self.machine.counts().total());
        list.extend(self.machine.list().filter_map(info));
        list
    }

    /// This supervisor now, and what those below it will answer.
    fn branch(&self) -> Branch {
        let (status, children) = (self.status(), self.list());
        let ask = |child: &ChildInfo| {
            let nested = self.children.get(child.token.child)?.child.nested()?;
            let (reply, answer) = oneshot::channel();
            // One without an incarnation has no status.
            nested.tell(Notice::Tree(reply)).then_some((child.token, answer))
        };
        let below = children.iter().filter_map(ask).collect();
        Branch { status, children, below }
    }

    pub(super) fn report_tree(&self, reply: oneshot::Sender<Branch>) {
        // Who asked may be gone.
        let _ = reply.send(self.branch());
    }
}

impl Branch {
    /// With all below it that answer by then. Each answers whoever has asked first, so that no level waits for another one.
    fn grown(self, token: Option<ChildToken>, until: Instant) -> BoxFuture<'static, TreeNode> {
        let Self { status, children, below } = self;
        let below = below.into_iter().map(move |(token, answer)| async move {
            match timeout_at(until, answer).await {
                Ok(Ok(branch)) => Some(Ok(branch.grown(Some(token), until).await)),
                // It has ended meanwhile.
                Ok(Err(_)) => None,
                Err(_) => Some(Err(token)),
            }
        });
        let below = join_all(below);
        Box::pin(async move {
            let (mut supervisors, mut unanswered) = (Vec::new(), Vec::new());
            for answer in below.await.into_iter().flatten() {
                match answer {
                    Ok(node) => supervisors.push(node),
                    Err(token) => unanswered.push(token),
                }
            }
            TreeNode { token, status, children, supervisors, unanswered }
        })
    }
}

impl From<Refused> for ChildError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::WrongSupervisor => Self::WrongSupervisor,
            Refused::NotFound => Self::NotFound,
            Refused::Stopping => Self::Stopping,
            Refused::Overdue => Self::Timeout,
        }
    }
}

impl From<Refused> for RemoveError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::WrongSupervisor => Self::WrongSupervisor,
            Refused::NotFound => Self::NotFound,
            Refused::Stopping => Self::Stopping,
            Refused::Overdue => Self::Timeout,
        }
    }
}

/// The answer, once there is one. None comes if the supervisor goes down without order, with its system.
async fn answered(answer: oneshot::Receiver<Answer>) -> Answer {
    answer.await.unwrap_or((Settled::Stopping, None))
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
        let shell = self.running(ctx);
        let added = shell.add_spec(spec, true, ctx);
        // Its first notice is still to come: there is an answer to wait for.
        let added = added.map(|child| {
            let ready = shell.wait(child.token().child, Wait::Ready);
            (child, ready)
        });
        Reply::when(async move {
            let (child, ready) = added?;
            match answered(ready).await {
                (Settled::Done, _) => Ok(child),
                (Settled::Failed, failure) => {
                    Err(AddError::Start(failure.unwrap_or(Failure::Stopped)))
                }
                (Settled::Superseded, _) => Err(AddError::Interrupted),
                (Settled::Stopping | Settled::Timeout, _) => Err(AddError::Stopping),
            }
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
        let progress = self.running(ctx).request(token, Request::Remove, ctx);
        Reply::when(async move {
            let Some(stopped) = progress? else { return Ok(()) };
            let answer = match until {
                Some(until) => timeout_at(until, answered(stopped)).await,
                None => Ok(answered(stopped).await),
            };
            match answer {
                Ok((Settled::Done, _)) => Ok(()),
                Ok((Settled::Stopping, _)) => Err(RemoveError::Stopping),
                Ok((Settled::Timeout | Settled::Superseded | Settled::Failed, _)) | Err(_) => {
                    Err(RemoveError::Timeout)
                }
            }
        })
    }
}

impl Supervisor {
    fn child_request(
        &mut self,
        token: ChildToken,
        request: Request,
        ctx: &mut Context<Self>,
    ) -> Reply<Result<(), ChildError>> {
        let progress = self.running(ctx).request(token, request, ctx);
        Reply::when(async move { carried_out(progress?).await })
    }
}

async fn carried_out(answer: Option<oneshot::Receiver<Answer>>) -> Result<(), ChildError> {
    let Some(answer) = answer else { return Ok(()) };
    match answered(answer).await.0 {
        Settled::Done => Ok(()),
        Settled::Stopping | Settled::Superseded | Settled::Failed => Err(ChildError::Stopping),
        Settled::Timeout => Err(ChildError::Timeout),
    }
}

impl<A: Actor<Context = Context<A>>> Handler<Replace<A>> for Supervisor {
    type Result = Reply<Result<(), ReplaceError>>;

    fn handle(
        &mut self,
        Replace(token, spec): Replace<A>,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let progress = self.running(ctx).replace(token, spec, ctx);
        Reply::when(async move { Ok(carried_out(progress?).await?) })
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
        Reply::when(self.running(ctx).branch().grown(None, now() + PATIENCE))
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
        let shell = self.running(ctx);
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

/// An answer that comes later. Nothing is kept for one who does not wait for it any more.
#[expect(missing_debug_implementations, reason = "public to the compiler only")]
pub struct Reply<T>(Pin<Box<dyn Future<Output = T>>>);

impl<T> Reply<T> {
    pub(super) fn when(answer: impl Future<Output = T> + 'static) -> Self {
        Self(Box::pin(answer))
    }
}

impl<M: Message> MessageResponse<Supervisor, M> for Reply<M::Result> {
    fn handle(self, _ctx: &mut Context<Supervisor>, sender: Option<OneshotSender<M::Result>>) {
        let Some(mut sender) = sender else { return };
        actix_rt::spawn(async move {
            let answer = match select(self.0, pin!(sender.closed())).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => return,
            };
            // Who has gone away since needs no answer.
            let _ = sender.send(answer);
        });
    }
}

/// An answer that the supervisor gives when it has ended. Nothing waits for it but who has asked.
#[expect(missing_debug_implementations, reason = "public to the compiler only")]
pub struct AtItsEnd(Arc<Blueprint>);

impl MessageResponse<Supervisor, Stop> for AtItsEnd {
    fn handle(self, _ctx: &mut Context<Supervisor>, answer: Option<OneshotSender<StopReport>>) {
        if let Some(answer) = answer {
            self.0.answer_stop(answer);
        }
    }
}

impl MessageResponse<Supervisor, Join> for AtItsEnd {
    fn handle(self, _ctx: &mut Context<Supervisor>, answer: Option<OneshotSender<Ended>>) {
        if let Some(answer) = answer {
            self.0.answer_join(answer);
        }
    }
}

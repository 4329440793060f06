//! The real tree, through the public API.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, AddError, Backoff, ChildError, ChildInfo, ChildSpec, ChildState, ChildToken,
    Decision, EndReason, Event, EventKind, Failure, Join, Kill, Remove, RemoveAndWait, RemoveError,
    Replace, ReplaceError, Restart, Resume, Spec, Stop, Supervisor, SupervisorState, Terminate,
    Tree, TreeNode,
};
use tokio::time::Instant;

use crate::{
    picture::{Picture, Told},
    program::{Child, Delays, Millis, Name, Program, Request, Settings, Step, Terms, What},
    reference::label,
    scripted::{Say, Scripted, Stage, millis, service},
};

pub struct Real {
    begin: Instant,
    root: Addr<Supervisor>,
    stage: Stage,
    events: Arc<Mutex<Vec<Event>>>,
    supervisors: BTreeMap<Name, Addr<Supervisor>>,
    settings: BTreeMap<Name, Settings>,
    actors: BTreeMap<Name, Vec<Addr<Scripted>>>,
    tokens: BTreeMap<Name, ChildToken>,
}

const SENDERS: usize = 3;

#[expect(clippy::disallowed_methods, reason = "the reference lives on the same clock")]
fn clock() -> Instant {
    Instant::now()
}

impl Real {
    pub fn start(program: &Program) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&events);
        let spec = spec(&program.root).event_hook(move |event| {
            noted.lock().expect("no panic while noting").push(event.clone());
        });
        let root = Supervisor::with_spec(Name::ROOT.to_string(), spec).expect("a sensible spec");
        let mut this = Self {
            begin: clock(),
            root: root.addr(),
            stage: Stage::default(),
            events,
            supervisors: BTreeMap::from([(Name::ROOT, root.addr())]),
            settings: BTreeMap::from([(Name::ROOT, program.root)]),
            actors: BTreeMap::new(),
            tokens: BTreeMap::new(),
        };
        this.with_children(root, Name::ROOT, &program.children).start();
        this
    }

    pub fn now(&self) -> Millis {
        u64::try_from((clock() - self.begin).as_millis()).expect("not that long")
    }

    /// Whether there is, or was, a child that a token is known of.
    pub fn can_take(&self, step: &Step) -> bool {
        match step {
            Step::Ask { to, about, .. } => {
                self.supervisors.contains_key(to) && self.tokens.contains_key(about)
            }
            Step::Replace { to, child } => {
                self.supervisors.contains_key(to) && self.tokens.contains_key(&child.name)
            }
            Step::Add { to, child, .. } => {
                self.supervisors.contains_key(to) && !self.tokens.contains_key(&child.name)
            }
            Step::Resume(to) | Step::Stop(to) | Step::Join(to) => self.supervisors.contains_key(to),
            Step::Send(messages) => messages.iter().all(|(_, to, _)| self.actors.contains_key(to)),
            Step::Pass(_) => true,
            Step::AtOnce(steps) => steps.iter().all(|step| self.can_take(step)),
        }
    }

    /// Begins what a step says, and notes each answer when it comes.
    pub fn take(&mut self, index: &str, step: &Step) {
        let asker = format!("{index}. {}", label(step));
        match step {
            Step::Pass(_) => {}
            Step::AtOnce(steps) => {
                for (number, step) in steps.iter().enumerate() {
                    self.take(&format!("{index}.{number}"), step);
                }
            }
            Step::Send(messages) => {
                for (number, (sender, to, word)) in messages.iter().enumerate() {
                    let asker = format!("{index}. {number} {to} {word:?}");
                    let addr = &self.actors[to][usize::from(*sender) % SENDERS];
                    let answer = addr.send(Say(asker.clone(), *word));
                    self.note(asker, answer, |life| format!("life {life}"));
                }
            }
            Step::Add { to, wait, child } => self.add(*to, *wait, child, asker),
            Step::Ask { to, about, request } => {
                let (addr, token) = (&self.supervisors[to], self.tokens[about]);
                match *request {
                    Request::Restart => self.note(asker, addr.send(Restart(token)), changed),
                    Request::Terminate => self.note(asker, addr.send(Terminate(token)), changed),
                    Request::Kill => self.note(asker, addr.send(Kill(token)), changed),
                    Request::Remove => self.note(asker, addr.send(Remove(token)), removed),
                    Request::RemoveAndWait { timeout } => {
                        let timeout = timeout.map(millis);
                        let answer = addr.send(RemoveAndWait { token, timeout });
                        self.note(asker, answer, removed);
                    }
                }
            }
            Step::Replace { to, child } => {
                let (addr, token) = (&self.supervisors[to], self.tokens[&child.name]);
                let terms = child.terms.under(&self.settings[to]);
                match &child.what {
                    What::Actor(script) => {
                        let spec =
                            with_terms(Scripted::spec(child.name, script, &self.stage), &terms);
                        self.note(asker, addr.send(Replace(token, spec)), replaced);
                    }
                    What::Service(script) => {
                        let spec = with_terms(service(child.name, script, &self.stage), &terms);
                        self.note(asker, addr.send(Replace(token, spec)), replaced);
                    }
                    What::Supervisor(..) => unreachable!("a supervisor cannot be replaced"),
                }
            }
            Step::Resume(to) => {
                self.note(asker, self.supervisors[to].send(Resume), |()| "Ok".to_owned());
            }
            Step::Stop(to) => {
                self.note(asker, self.supervisors[to].send(Stop), |report| {
                    report_text(report.is_clean())
                });
            }
            Step::Join(to) => {
                self.note(asker, self.supervisors[to].send(Join), |ended| match ended {
                    Ok(report) => report_text(report.is_clean()),
                    Err(failure) => failure.to_string(),
                });
            }
        }
    }

    fn note<T: 'static>(
        &self,
        asker: String,
        answer: impl Future<Output = Result<T, MailboxError>> + 'static,
        text: impl FnOnce(T) -> String + 'static,
    ) {
        let stage = self.stage.clone();
        actix_rt::spawn(async move {
            let answer = match answer.await {
                Ok(answer) => text(answer),
                Err(MailboxError::Closed) => "closed".to_owned(),
                Err(MailboxError::Timeout) => "timeout".to_owned(),
            };
            stage.with(|notes| notes.answers.push(format!("{asker}: {answer}")));
        });
    }

    fn add(&mut self, to: Name, wait: bool, child: &Child, asker: String) {
        let addr = self.supervisors[&to].clone();
        let terms = child.terms.under(&self.settings[&to]);
        match &child.what {
            What::Actor(script) => {
                let spec = self.actor(child.name, script, &terms);
                self.send_add(&addr, wait, spec, asker);
            }
            What::Service(script) => {
                let spec = with_terms(service(child.name, script, &self.stage), &terms);
                self.send_add(&addr, wait, spec, asker);
            }
            What::Supervisor(settings, children) => {
                let spec = self.supervisor(child.name, settings, children, &terms);
                self.send_add(&addr, wait, spec, asker);
            }
        }
    }

    fn send_add<A: Actor<Context = Context<A>>>(
        &self,
        to: &Addr<Supervisor>,
        wait: bool,
        spec: ChildSpec<A>,
        asker: String,
    ) {
        let text = |added: Result<_, AddError>| match added {
            Ok(_) => "Ok".to_owned(),
            Err(AddError::Stopping) => "Stopping".to_owned(),
            Err(AddError::TooManyChildren { .. }) => "TooManyChildren".to_owned(),
            Err(AddError::Start(failure)) => format!("Start({failure})"),
            Err(AddError::Interrupted) => "Interrupted".to_owned(),
            Err(error) => format!("unexpected: {error}"),
        };
        if wait {
            self.note(asker, to.send(AddAndWait(spec)), text);
        } else {
            self.note(asker, to.send(Add(spec)), text);
        }
    }

    fn with_children(
        &mut self,
        mut supervisor: Supervisor,
        name: Name,
        children: &[Child],
    ) -> Supervisor {
        for child in children {
            let terms = child.terms.under(&self.settings[&name]);
            supervisor = match &child.what {
                What::Actor(script) => supervisor.child(self.actor(child.name, script, &terms)),
                What::Service(script) => {
                    supervisor.child(with_terms(service(child.name, script, &self.stage), &terms))
                }
                What::Supervisor(settings, children) => {
                    supervisor.child(self.supervisor(child.name, settings, children, &terms))
                }
            };
        }
        supervisor
    }

    fn actor(
        &mut self,
        name: Name,
        script: &crate::program::Script,
        terms: &Terms,
    ) -> ChildSpec<Scripted> {
        let spec = with_terms(Scripted::spec(name, script, &self.stage), terms);
        self.actors.insert(name, (0..SENDERS).map(|_| spec.addr()).collect());
        spec
    }

    fn supervisor(
        &mut self,
        name: Name,
        settings: &Settings,
        children: &[Child],
        terms: &Terms,
    ) -> ChildSpec<Supervisor> {
        let supervisor = Supervisor::with_spec(name.to_string(), spec(settings));
        let supervisor = supervisor.expect("a sensible spec");
        self.supervisors.insert(name, supervisor.addr());
        self.settings.insert(name, *settings);
        let supervisor = self.with_children(supervisor, name, children);
        with_terms(ChildSpec::supervisor(supervisor), terms)
    }

    /// Looks at everything.
    pub async fn picture(&mut self) -> (Picture, Vec<String>) {
        let events = std::mem::take(&mut *self.events.lock().expect("no panic while noting"));
        let told = events.iter().map(|event| self.told(event)).collect();
        let mut tree = Vec::new();
        if let Ok(root) = self.root.send(Tree).await {
            self.draw(&root, &mut tree);
        }
        let (handled, mut answers, faults) = self.stage.with(|notes| {
            (
                std::mem::take(&mut notes.handled),
                std::mem::take(&mut notes.answers),
                std::mem::take(&mut notes.faults),
            )
        });
        answers.sort();
        (Picture { tree, told, answers, handled }, faults)
    }

    fn draw(&mut self, node: &TreeNode, tree: &mut Vec<String>) {
        let status = &node.status;
        let since = |at: Instant| (at - self.begin).as_millis();
        let state = match status.state {
            SupervisorState::Running => "Running".to_owned(),
            SupervisorState::Paused { until } => format!("Paused until {}", since(until)),
            SupervisorState::Stopping => "Stopping".to_owned(),
        };
        let counts = &status.children;
        tree.push(format!(
            "{} {state}, meter {:.6}, restarts {}, starting {} running {} backing off {} stopping {} terminated {}, \
             actors {} services {} supervisors {}",
            status.name,
            status.failures,
            status.restarts,
            counts.starting,
            counts.running,
            counts.backing_off,
            counts.stopping,
            counts.terminated,
            counts.actors,
            counts.services,
            counts.supervisors,
        ));
        for child in &node.children {
            let ChildInfo { name, kind, state, restarts, failures_in_row, .. } = child;
            let next_start =
                child.next_start.filter(|_| *state == ChildState::BackingOff).map(since);
            let failure = child.last_failure.as_ref().map(Failure::to_string);
            tree.push(format!(
                "{}/{name} {kind:?} {state:?}, restarts {restarts}, in row {failures_in_row}, next start \
                 {next_start:?}, last failure {failure:?}",
                status.name,
            ));
        }
        for node in &node.supervisors {
            self.draw(node, tree);
        }
    }

    fn told(&mut self, event: &Event) -> Told {
        use EventKind::*;
        let names: Vec<Name> = event.path.iter().map(|name| parse(name)).collect();
        let about = match &event.kind {
            ChildStarted { token, .. } | ChildRestarted { token, .. } => Some(*token),
            ChildReady { token, .. }
            | ChildFailed { token, .. }
            | ChildEnded { token, .. }
            | ChildStopped { token, .. }
            | StopTimeout { token, .. } => Some(*token),
            _ => None,
        };
        let (by, about) = match (about, names.as_slice()) {
            (Some(token), [.., by, name]) => {
                self.tokens.insert(*name, token);
                (*by, Some(*name))
            }
            (None, [.., by]) => (*by, None),
            _ => unreachable!("a path that names nobody"),
        };
        let failed = |failure: &Option<Failure>| match failure {
            Some(failure) => format!(", {failure}"),
            None => String::new(),
        };
        let what = match &event.kind {
            ChildFailed { failure, failures, restarting, .. } => {
                let restarting = if *restarting { "restarting" } else { "for good" };
                format!("ChildFailed at {failures:.6}, {restarting}: {failure}")
            }
            ChildRestarted { restarts, .. } => format!("ChildRestarted {restarts}"),
            ChildEnded { reason, .. } => match reason {
                EndReason::Failed(failure) => format!("ChildEnded: Failed: {failure}"),
                EndReason::GaveUp(failure) => format!("ChildEnded: GaveUp: {failure}"),
                other => format!("ChildEnded: {other:?}"),
            },
            ChildStopped { failure, .. } => format!("ChildStopped{}", failed(failure)),
            BackoffEntered { pause } => format!("BackoffEntered for {}", pause.as_millis()),
            LimitReached { failures, .. } => format!("LimitReached at {failures:.6}"),
            SupervisorStopped { failure, .. } => format!("SupervisorStopped{}", failed(failure)),
            other => other.name().to_owned(),
        };
        Told { by, about, what }
    }
}

fn parse(name: &str) -> Name {
    let (kind, number) = name.split_at(1);
    let number = number.parse().expect("a number");
    if kind == "s" { Name::Supervisor(number) } else { Name::Child(number) }
}

fn report_text(is_clean: bool) -> String {
    if is_clean { "clean" } else { "not clean" }.to_owned()
}

fn changed(changed: Result<(), ChildError>) -> String {
    match changed {
        Ok(()) => "Ok".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn removed(removed: Result<(), RemoveError>) -> String {
    match removed {
        Ok(()) => "Ok".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn replaced(replaced: Result<(), ReplaceError>) -> String {
    match replaced {
        Ok(()) => "Ok".to_owned(),
        Err(ReplaceError::Child(error)) => format!("{error:?}"),
        Err(error) => format!("unexpected: {error}"),
    }
}

fn with_terms<A: Actor<Context = Context<A>>>(spec: ChildSpec<A>, terms: &Terms) -> ChildSpec<A> {
    let mut spec = spec
        .restart(terms.policy)
        .drain(terms.drain)
        .while_down(terms.while_down)
        .significant(terms.significant);
    if let Some(shutdown) = terms.shutdown {
        spec = spec.shutdown(shutdown);
    }
    if let Some(limit) = terms.start_timeout {
        spec = spec.start_timeout(millis(limit));
    }
    let backoff = match terms.delays {
        Delays::None => None,
        Delays::Constant(delay) => Some(Backoff::constant(millis(delay))),
        Delays::Doubling { first, max } => Some(Backoff::exponential(millis(first), millis(max))),
        Delays::Steps(steps) => Some(Backoff::steps(steps.map(millis))),
    };
    if let Some(backoff) = backoff {
        spec = spec.backoff(match terms.reset_after {
            Some(healthy) => backoff.reset_after(millis(healthy)),
            None => backoff,
        });
    }
    if let Some(most) = terms.give_up_after {
        spec = spec.give_up_after(most);
    }
    if let Some(rule) = terms.rule {
        spec = spec.decide(move |failure| -> Decision {
            match failure {
                Failure::Panic(_) => rule.panic,
                _ => rule.other,
            }
        });
    }
    spec
}

fn spec(settings: &Settings) -> Spec {
    let mut spec = Spec::default()
        .strategy(settings.strategy)
        .failure_decay(millis(settings.decay))
        .failure_threshold(settings.threshold)
        .on_limit(settings.on_limit)
        .failure_backoff(millis(settings.pause))
        .backoff_jitter(0.0)
        .resume_spread(millis(settings.spread))
        .shutdown_timeout(millis(settings.shutdown_timeout))
        .shutdown_order(settings.order)
        .start_failure(settings.start_failure)
        .auto_shutdown(settings.auto_shutdown)
        .propagate_termination(settings.propagate)
        .event_hook(|_| {});
    if let Some(most) = settings.max_children {
        spec = spec.max_children(most);
    }
    if let Some(pauses) = settings.give_up_after_pauses {
        spec = spec.give_up_after_pauses(pauses);
    }
    spec
}

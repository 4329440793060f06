//! The real tree, through the public API.

mod answers;
mod look;
mod specs;
mod subscribers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use actix::prelude::*;
use actix_supervisor::{
    Add, AddAndWait, ChildSpec, ChildToken, Event, Join, Kill, Remove, RemoveAndWait, Replace,
    Restart, Resume, Stop, Supervisor, Terminate,
};
use tokio::{sync::oneshot, time::Instant};

use self::{
    answers::{added, changed, joined, removed, replaced, stopped},
    specs::{spec, with_terms},
    subscribers::Subscribers,
};
use crate::{
    program::{Child, Millis, Name, Program, Request, Script, Settings, Step, Terms, What, Word},
    scripted::{Say, Scripted, Stage, millis, service},
    threads::Threads,
};

pub struct Real {
    begin: Instant,
    root: Addr<Supervisor>,
    stage: Stage,
    threads: Threads,
    events: Arc<Mutex<Vec<Event>>>,
    subscribers: Subscribers,
    supervisors: BTreeMap<Name, Addr<Supervisor>>,
    settings: BTreeMap<Name, Settings>,
    actors: BTreeMap<Name, Vec<Addr<Scripted>>>,
    /// Whose mailboxes are, or were.
    bounded: BTreeSet<Name>,
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
        let threads = Threads::new();
        let noted_threads = threads.clone();
        let spec = spec(&program.root).event_hook(move |event| {
            if let Some(about) = event.path.last() {
                noted_threads.note(event, look::parse(about));
            }
            noted.lock().expect("no panic while noting").push(event.clone());
        });
        let root = Supervisor::with_spec(Name::ROOT.to_string(), spec).expect("a sensible spec");
        let mut this = Self {
            begin: clock(),
            root: root.addr(),
            stage: Stage::default(),
            threads,
            events,
            subscribers: Subscribers::default(),
            supervisors: BTreeMap::from([(Name::ROOT, root.addr())]),
            settings: BTreeMap::from([(Name::ROOT, program.root)]),
            actors: BTreeMap::new(),
            bounded: BTreeSet::new(),
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
        let asker = format!("{index}. {}", step.label());
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
                    if self.bounded.contains(to) {
                        self.try_send(asker, addr, *word);
                        continue;
                    }
                    let answer = addr.send(Say(asker.clone(), *word, None));
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
                        let spec = Scripted::spec(child.name, script, &self.stage);
                        let spec = match terms.capacity {
                            Some(capacity) => spec.mailbox_capacity(capacity),
                            None => spec,
                        };
                        let spec = with_terms(spec, &terms);
                        self.bounded.extend(terms.capacity.map(|_| child.name));
                        self.note(asker, addr.send(Replace(token, spec)), replaced);
                    }
                    What::Service(script) => {
                        let spec = with_terms(service(child.name, script, &self.stage), &terms);
                        self.note(asker, addr.send(Replace(token, spec)), replaced);
                    }
                    What::Blocking(script) => {
                        let spec = self.threads.spec(child.name, script, &self.stage);
                        let spec = with_terms(spec, &terms);
                        self.note(asker, addr.send(Replace(token, spec)), replaced);
                    }
                    What::Supervisor(..) => unreachable!("a supervisor cannot be replaced"),
                }
            }
            Step::Resume(to) => {
                self.note(asker, self.supervisors[to].send(Resume), |()| "Ok".to_owned());
            }
            Step::Stop(to) => self.note(asker, self.supervisors[to].send(Stop), stopped),
            Step::Join(to) => self.note(asker, self.supervisors[to].send(Join), joined),
        }
    }

    /// To a mailbox that may be full. (Whose `send` waits for a place may be overtaken.)
    fn try_send(&self, asker: String, addr: &Addr<Scripted>, word: Word) {
        let (reply, answer) = oneshot::channel();
        match addr.try_send(Say(asker.clone(), word, Some(reply))) {
            Err(SendError::Full(_)) => {
                self.stage.with(|notes| notes.answers.push(format!("{asker}: full")));
            }
            Ok(()) | Err(SendError::Closed(_)) => {
                let answer = async { answer.await.map_err(|_| MailboxError::Closed) };
                self.note(asker, answer, |life| format!("life {life}"));
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
        stage.with(|notes| notes.asked += 1);
        actix_rt::spawn(async move {
            let answer = match answer.await {
                Ok(answer) => text(answer),
                Err(MailboxError::Closed) => "closed".to_owned(),
                Err(MailboxError::Timeout) => "timeout".to_owned(),
            };
            stage.with(|notes| {
                notes.asked -= 1;
                notes.answers.push(format!("{asker}: {answer}"));
            });
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
            What::Blocking(script) => {
                let spec = self.threads.spec(child.name, script, &self.stage);
                self.send_add(&addr, wait, with_terms(spec, &terms), asker);
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
        if wait {
            self.note(asker, to.send(AddAndWait(spec)), added);
        } else {
            self.note(asker, to.send(Add(spec)), added);
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
                What::Blocking(script) => {
                    let spec = self.threads.spec(child.name, script, &self.stage);
                    supervisor.child(with_terms(spec, &terms))
                }
                What::Supervisor(settings, children) => {
                    supervisor.child(self.supervisor(child.name, settings, children, &terms))
                }
            };
        }
        supervisor
    }

    fn actor(&mut self, name: Name, script: &Script, terms: &Terms) -> ChildSpec<Scripted> {
        let spec = Scripted::spec(name, script, &self.stage);
        let spec = with_terms(spec.mailbox_capacity(terms.capacity.unwrap_or(0)), terms);
        self.bounded.extend(terms.capacity.map(|_| name));
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
        self.subscribers.subscribe_to(name, &supervisor.addr());
        self.settings.insert(name, *settings);
        let supervisor = self.with_children(supervisor, name, children);
        with_terms(ChildSpec::supervisor(supervisor), terms)
    }
}

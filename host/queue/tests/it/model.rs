//! Any sequence of calls, against a model that is a list of what each key wants.

use std::{collections::BTreeMap, time::Duration};

use motet_core::Priority::{self, High, Low, Normal};
use motet_queue::{Queue, Running, Settings};
use proptest::prelude::*;
use tokio::time::{Instant, advance};

use super::fixtures::{key, member, now};

const KEYS: [&str; 6] = ["p@m:a", "p@m:b", "q@m:a", "p@n:a", "q@n:a", "q@n:b"];
const LIMIT: u32 = 2;

#[derive(Debug, Clone)]
enum Call {
    Add(usize, Priority),
    AddAfter(usize, u64),
    Fail(usize),
    Hold(usize, u64),
    Park(usize, u64),
    Release(usize),
    Take,
    Done(usize),
    RemoveMember,
    Advance(u64),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let k = || 0..KEYS.len();
    let call = prop_oneof![
        4 => (k(), prop_oneof![Just(Low), Just(Normal), Just(High)]).prop_map(|(k, p)| Call::Add(k, p)),
        2 => (k(), 1..50u64).prop_map(|(k, ms)| Call::AddAfter(k, ms)),
        1 => k().prop_map(Call::Fail),
        1 => (k(), 1..50u64).prop_map(|(k, ms)| Call::Hold(k, ms)),
        1 => (k(), 1..50u64).prop_map(|(k, ms)| Call::Park(k, ms)),
        1 => k().prop_map(Call::Release),
        6 => Just(Call::Take),
        4 => (0..8usize).prop_map(Call::Done),
        1 => Just(Call::RemoveMember),
        3 => (1..30u64).prop_map(Call::Advance),
    ];
    prop::collection::vec(call, 1..120)
}

/// What one key wants, told without any data structure.
#[derive(Debug, Default, Clone)]
struct Wish {
    running: bool,
    removed: bool,
    due: Option<Instant>,
    held: Option<Instant>,
    parked: Option<Instant>,
    priority: Option<Priority>,
}

impl Wish {
    fn ready(&self, now: Instant) -> bool {
        let passed = |gate: Option<Instant>| gate.is_none_or(|at| at <= now);
        !self.running && self.due.is_some() && passed(self.due) && passed(self.held) && passed(self.parked)
    }

    fn want(&mut self, at: Instant, priority: Priority) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
        self.priority = self.priority.max(Some(priority));
    }
}

struct Run {
    queue: Queue,
    wishes: BTreeMap<usize, Wish>,
    running: Vec<(usize, Running)>,
}

impl Run {
    fn active(&mut self, k: usize) -> Option<&mut Wish> {
        Some(self.wishes.entry(k).or_default()).filter(|wish| !wish.removed)
    }

    /// Whether the limits let this key run.
    fn allowed(&self, k: usize) -> bool {
        let binding = |text: &str| text.split(':').next().map(str::to_owned);
        let same = self.running.iter().filter(|(other, _)| binding(KEYS[*other]) == binding(KEYS[k])).count();
        same < LIMIT as usize
    }

    async fn take(&mut self) {
        let at = Instant::now();
        let eligible: Vec<usize> =
            (0..KEYS.len()).filter(|k| self.wishes.get(k).is_some_and(|w| w.ready(at)) && self.allowed(*k)).collect();
        let Some(running) = now(&self.queue).await else {
            assert!(eligible.is_empty(), "{eligible:?} could run and nothing was handed out");
            return;
        };
        let k = KEYS.iter().position(|text| key(text) == running.key).unwrap();
        assert!(eligible.contains(&k), "{} must not run: {:?}", KEYS[k], self.wishes.get(&k));
        let wish = self.wishes.get_mut(&k).unwrap();
        assert_eq!(Some(running.priority), wish.priority.take());
        assert_eq!(Some(running.enqueued_at), wish.due.take());
        (wish.running, wish.held, wish.parked) = (true, None, None);
        self.running.push((k, running));
    }

    async fn call(&mut self, call: Call) {
        let at = Instant::now();
        match call {
            Call::Add(k, priority) => {
                self.queue.add(key(KEYS[k]), priority);
                self.wishes.entry(k).or_default().want(at, priority);
            }
            Call::AddAfter(k, ms) => {
                let delay = Duration::from_millis(ms);
                self.queue.add_after(key(KEYS[k]), delay, Normal);
                if let Some(wish) = self.active(k) {
                    wish.want(at + delay, Normal);
                }
            }
            Call::Fail(k) => {
                let delay = self.queue.add_rate_limited(key(KEYS[k]), Normal, None);
                if let Some(wish) = self.active(k) {
                    wish.want(at + delay, Normal);
                }
            }
            Call::Hold(k, ms) => {
                let until = at + Duration::from_millis(ms);
                self.queue.hold(key(KEYS[k]), until);
                if let Some(wish) = self.active(k) {
                    wish.held = Some(until);
                    wish.want(until, Normal);
                }
            }
            Call::Park(k, ms) => {
                let deadline = at + Duration::from_millis(ms);
                self.queue.park(key(KEYS[k]), deadline);
                if let Some(wish) = self.active(k) {
                    wish.parked = Some(deadline);
                }
            }
            Call::Release(k) => {
                self.queue.release(&key(KEYS[k]));
                self.wishes.entry(k).or_default().parked = None;
            }
            Call::Take => self.take().await,
            Call::Done(i) => {
                if !self.running.is_empty() {
                    let (k, running) = self.running.swap_remove(i % self.running.len());
                    running.done();
                    let wish = self.wishes.get_mut(&k).unwrap();
                    (wish.running, wish.removed) = (false, false);
                }
            }
            Call::RemoveMember => {
                self.queue.remove_member(&member("m"));
                for (k, wish) in &mut self.wishes {
                    if KEYS[*k].contains("@m:") {
                        *wish = Wish { running: wish.running, removed: wish.running, ..Wish::default() };
                    }
                }
            }
            Call::Advance(ms) => advance(Duration::from_millis(ms)).await,
        }
        let at = Instant::now();
        let depth = self.queue.depth();
        assert_eq!(depth.running, self.running.len());
        let ready = self.wishes.values().filter(|wish| wish.ready(at)).count();
        assert!(depth.ready <= ready, "{} are filed as ready, {ready} are", depth.ready);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_of_calls_behaves_like_the_model(calls in calls()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let settings = Settings { concurrency: LIMIT, ..Settings::default() };
            let mut run = Run { queue: Queue::new(settings), wishes: BTreeMap::new(), running: Vec::new() };
            for call in calls {
                run.call(call).await;
            }
            // In the end everything that is wanted runs, and nothing is left behind.
            run.running.clear();
            run.queue.shut_down();
            while run.queue.get().await.is_some() {}
            assert_eq!(run.queue.depth(), motet_queue::Depth::default());
        });
    }
}

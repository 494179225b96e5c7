//! What clients asked for and were told. It does not depend on the order in which things happened.
use crate::dice::Dice;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard},
};

/// Words of the queue for an operation that is not at its end.
pub const AGAIN: &str = "(it will be tried again)";

#[derive(Clone, Debug)]
pub enum Ask {
    /// The name is empty when the server is to choose one.
    Create {
        name: String,
        size: u64,
    },
    Expand {
        volume: String,
        by: u64,
    },
    Delete {
        volume: String,
    },
    Other(&'static str),
}

impl Ask {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create volume",
            Self::Expand { .. } => "expand volume",
            Self::Delete { .. } => "delete volume",
            Self::Other(kind) => kind,
        }
    }
}

/// The last word of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// 303 or 204.
    Done(Option<String>),
    /// 500
    Failed(String),
}

#[derive(Debug)]
struct Order {
    ask: Ask,
    /// None: the connection ended before the answer, and it may have been accepted or not.
    queue: Option<String>,
    end: Option<End>,
    /// The server said that it was cancelled.
    cancelled: bool,
}

/// A volume as it must be.
#[derive(Clone, Debug)]
struct Volume {
    name: String,
    size: u64,
}

/// A volume as the server shows it.
#[derive(Clone, Debug)]
pub struct Shown {
    pub id: String,
    pub cluster: String,
    pub name: String,
    pub size: u64,
}

#[derive(Default)]
struct Book {
    orders: Vec<Order>,
    volumes: BTreeMap<String, Volume>,
    /// Volumes that clients may choose from.
    alive: BTreeSet<String>,
    /// Ends of orders that are settled: they may be asked for again.
    told: HashMap<String, End>,
}

#[derive(Default)]
pub struct Ledger(Mutex<Book>);

impl Ledger {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }
    fn add(&self, ask: Ask, queue: Option<String>) -> usize {
        let mut book = self.book();
        book.orders.push(Order { ask, queue, end: None, cancelled: false });
        book.orders.len() - 1
    }
    /// It was accepted; its number for [`Self::ended`].
    pub fn accepted(&self, ask: Ask, queue: String) -> usize {
        self.add(ask, Some(queue))
    }
    /// Nobody knows whether it was accepted.
    pub fn unanswered(&self, ask: Ask) {
        self.add(ask, None);
    }
    pub fn cancelled(&self, order: usize) {
        self.book().orders[order].cancelled = true;
    }

    /// The queue has spoken its last word.
    pub fn ended(&self, order: usize, end: &End) -> Result<(), String> {
        let mut book = self.book();
        let Order { ask, queue, end: before, cancelled } = &mut book.orders[order];
        let queue = queue.clone().unwrap_or_default();
        if let Some(before) = before
            && *before != *end
        {
            return Err(format!("{queue} first answered {before:?}, then {end:?}"));
        }
        if *cancelled && matches!(end, End::Done(_)) {
            return Err(format!("{queue} was cancelled, and is done"));
        }
        *before = Some(end.clone());
        match (ask.clone(), end) {
            (Ask::Create { .. }, End::Done(None)) => Err(format!("{queue}: no volume to go to")),
            (Ask::Delete { volume }, End::Done(_)) => {
                book.alive.remove(&volume);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A volume that is there for everybody.
    pub fn is_alive(&self, volume: String) {
        self.book().alive.insert(volume);
    }
    pub fn alive(&self) -> usize {
        self.book().alive.len()
    }
    pub fn pick(&self, dice: &mut Dice) -> Option<String> {
        let book = self.book();
        let at = usize::try_from(dice.below(book.alive.len() as u64)).unwrap();
        book.alive.iter().nth(at).cloned()
    }

    /// Where to ask for an accepted order.
    pub fn queue_of(&self, order: usize) -> String {
        self.book().orders[order].queue.clone().unwrap_or_default()
    }
    /// Orders that were accepted, and where to ask for them.
    pub fn accepted_orders(&self) -> Vec<(usize, String)> {
        let book = self.book();
        let orders = book.orders.iter().enumerate();
        orders.filter_map(|(n, order)| Some((n, order.queue.clone()?))).collect()
    }
    /// Ends of earlier phases.
    pub fn told(&self) -> HashMap<String, End> {
        self.book().told.clone()
    }

    /// Compares what is shown now, when all is at rest, with what was told; then begins anew from
    /// what is shown. What does not fit together.
    pub fn settle(&self, shown: &[Shown]) -> Vec<String> {
        let mut book = self.book();
        let mut wrong = vec![];
        let orders = std::mem::take(&mut book.orders);
        let mut expected = Expected::of(&book.volumes, &orders);
        let mut names = BTreeSet::new();
        for volume in shown {
            wrong.extend(expected.judge(volume));
            if !names.insert((&volume.cluster, &volume.name)) {
                wrong.push(format!("two volumes are called {}", volume.name));
            }
        }
        for (id, volume) in &expected.volumes {
            let here = shown.iter().any(|s| s.id == *id);
            if !here && !volume.gone && !volume.may_be_gone {
                let name = &volume.volume.name;
                wrong.push(format!("volume {name} ({id}) is lost: nobody deleted it"));
            }
        }
        book.volumes = shown
            .iter()
            .map(|s| (s.id.clone(), Volume { name: s.name.clone(), size: s.size }))
            .collect();
        book.alive = book.volumes.keys().cloned().collect();
        for order in orders {
            if let (Some(queue), Some(end)) = (order.queue, order.end) {
                book.told.insert(queue, end);
            }
        }
        wrong
    }
}

/// What the orders allow.
#[derive(Default)]
struct Expected {
    volumes: BTreeMap<String, Fate>,
    /// Names of volumes whose creation failed for certain.
    failed: BTreeSet<String>,
    /// Names of volumes that somebody may have created unheard.
    perhaps: BTreeSet<String>,
    /// So many without a name.
    perhaps_nameless: usize,
}

struct Fate {
    volume: Volume,
    gone: bool,
    may_be_gone: bool,
    /// Expansions that nobody heard of, GiB.
    perhaps_larger: u64,
}

impl Expected {
    fn of(before: &BTreeMap<String, Volume>, orders: &[Order]) -> Self {
        let mut all = Self::default();
        let fate = |volume| Fate { volume, gone: false, may_be_gone: false, perhaps_larger: 0 };
        all.volumes.extend(before.iter().map(|(id, v)| (id.clone(), fate(v.clone()))));
        for order in orders {
            let Ask::Create { name, size } = &order.ask else { continue };
            match (&order.queue, &order.end) {
                (None, _) if name.is_empty() => all.perhaps_nameless += 1,
                (None, _) => {
                    all.perhaps.insert(name.clone());
                }
                (_, Some(End::Done(Some(location)))) => {
                    let id = location.trim_start_matches("/volumes/");
                    let named = Volume { name: name.clone(), size: *size };
                    all.volumes.insert(id.to_owned(), fate(named));
                }
                (_, Some(End::Failed(_))) if !name.is_empty() => {
                    all.failed.insert(name.clone());
                }
                _ => {}
            }
        }
        for order in orders {
            let (volume, known) = match &order.ask {
                Ask::Expand { volume, .. } | Ask::Delete { volume } => {
                    (all.volumes.get_mut(volume), &order.end)
                }
                _ => continue,
            };
            // One of those that nobody heard of, found in a list.
            let Some(fate) = volume else { continue };
            match (&order.ask, known) {
                (Ask::Expand { by, .. }, Some(End::Done(_))) => fate.volume.size += by,
                (Ask::Expand { by, .. }, None) => fate.perhaps_larger += by,
                (Ask::Delete { .. }, Some(End::Done(_))) => fate.gone = true,
                (Ask::Delete { .. }, None) => fate.may_be_gone = true,
                _ => {}
            }
        }
        all
    }

    fn judge(&mut self, shown: &Shown) -> Option<String> {
        let Shown { id, name, size, .. } = shown;
        let Some(fate) = self.volumes.get(id) else {
            if self.perhaps.remove(name) {
                return None;
            }
            if *name == format!("vol_{id}") && self.perhaps_nameless > 0 {
                self.perhaps_nameless -= 1;
                return None;
            }
            let failed = if self.failed.contains(name) { ", its creation failed" } else { "" };
            return Some(format!("volume {name} ({id}): nobody was told of it{failed}"));
        };
        if fate.gone {
            return Some(format!("volume {name} ({id}) was deleted, and is there"));
        }
        let named = if fate.volume.name.is_empty() {
            format!("vol_{id}")
        } else {
            fate.volume.name.clone()
        };
        if named != *name {
            return Some(format!("volume {id} is called {name}, not {named}"));
        }
        let (least, perhaps) = (fate.volume.size, fate.perhaps_larger);
        if !(least..=least + perhaps).contains(size) {
            return Some(format!("volume {name} ({id}) has {size} GiB, not {least} (+{perhaps})"));
        }
        None
    }
}

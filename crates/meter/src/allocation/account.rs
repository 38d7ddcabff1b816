//! The account that a request shares with the tasks it hands work to.
//!
//! Made only when a request first hands work over, and then visited at the ends of polls, never by
//! the allocator. A request without tasks has none.
//!
//! While a scope is open its [`Link`] to the account lies in a slot of the thread, so that code
//! inside can find it. That slot has a destructor, which is why it is not among the allocator's
//! cells.

use std::{
    cell::Cell,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::thread::{self, News, State, Tally};

thread_local! {
    /// The link of the innermost scope; filled exactly while its state is [`State::Shared`].
    static CURRENT: Cell<Option<Link>> = const { Cell::new(None) };
}

/// Which part of a request a scope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The request itself.
    Root,
    /// A task that it handed work to.
    Task,
}

/// One participant's connection to the account.
#[derive(Debug)]
pub(super) struct Link {
    account: Account,
    role: Role,
}

impl Link {
    pub(super) fn new(account: Account, role: Role) -> Self {
        Self { account, role }
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Everything that the account knows.
    pub(super) fn total(&self) -> Tally {
        self.account.lock().total()
    }

    /// Tells the account this participant's figures.
    pub(super) fn publish(&self, News { tally, highest, published }: News) {
        let rise = highest.wrapping_sub(published.live);
        match self.role {
            Role::Root => self.account.set_root(tally, rise),
            Role::Task => self.account.charge(tally.since(published), rise),
        }
    }

    /// From now on the tasks of this request are charged to the `enclosing` request as well.
    pub(super) fn pass_on_to(&self, enclosing: &Account) {
        self.account.pass_on_to(enclosing);
    }
}

/// Puts `link` into the thread's slot and returns what was there.
pub(super) fn replace(link: Option<Link>) -> Option<Link> {
    // A thread that is being torn down has no request left to charge.
    CURRENT.try_with(|current| current.replace(link)).unwrap_or_default()
}

/// The account of the innermost scope, told the latest and made if there is none; `None` outside.
pub(super) fn of_current_scope() -> Option<Account> {
    if thread::state() == State::Outside {
        return None;
    }
    let link = replace(None).unwrap_or_else(|| Link::new(Account::new(), Role::Root));
    link.publish(thread::news());
    let account = link.account.clone();
    replace(Some(link));
    thread::set_published();
    Some(account)
}

/// The total of the innermost scope's account, up to this moment.
pub(super) fn total_of_current_scope() -> Option<Tally> {
    let link = replace(None)?;
    let News { tally, highest, published } = thread::news();
    let known = link.total();
    let rise = highest.wrapping_sub(published.live);
    let mut total = known.plus(tally.since(published));
    total.peak = known.peak.max(known.live.wrapping_add(rise)).max(tally.peak);
    replace(Some(link));
    Some(total)
}

/// A shared account. Making and dropping it is the harness's own work and is not counted.
#[derive(Debug)]
pub(super) struct Account(Option<Arc<Mutex<Books>>>);

#[derive(Debug, Default)]
struct Books {
    /// The request itself, as of its last report.
    root: Tally,
    /// All that its tasks reported.
    tasks: Tally,
    /// Most live bytes of all together.
    peak: i64,
    /// The account of the request that encloses this one.
    enclosing: Option<Account>,
}

impl Books {
    fn total(&self) -> Tally {
        Tally { peak: self.peak, ..self.root.plus(self.tasks) }
    }

    /// Records that one participant stood `rise` bytes above what it had reported.
    fn record_rise(&mut self, rise: i64) {
        self.peak = self.peak.max(self.total().live.wrapping_add(rise));
    }
}

impl Account {
    fn new() -> Self {
        Self(thread::uncounted(|| Some(Arc::default())))
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        let books = self.0.as_ref().expect("an account is taken apart only by its own drop");
        books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_root(&self, now: Tally, rise: i64) {
        let mut books = self.lock();
        books.record_rise(rise);
        books.peak = books.peak.max(now.peak);
        books.root = now;
    }

    /// Adds what a task reports, here and in every enclosing account.
    fn charge(&self, news: Tally, rise: i64) {
        let enclosing = {
            let mut books = self.lock();
            books.record_rise(rise);
            books.tasks = books.tasks.plus(news);
            books.enclosing.clone()
        };
        // One lock at a time: accounts can be visited from any number of threads.
        if let Some(enclosing) = enclosing {
            enclosing.charge(news, rise);
        }
    }

    fn pass_on_to(&self, enclosing: &Account) {
        let (news, rise) = {
            let mut books = self.lock();
            if books.enclosing.is_some() {
                return;
            }
            books.enclosing = Some(enclosing.clone());
            (books.tasks, books.peak.wrapping_sub(books.root.peak).max(0))
        };
        enclosing.charge(news, rise);
    }
}

impl Clone for Account {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let books = mem::take(&mut self.0);
        thread::uncounted(|| drop(books));
    }
}

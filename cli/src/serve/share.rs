//! What all connections share: places, and memory. When nothing is left, whoever had theirs for longest without a next step
//! loses it, and with it the connection.
//!
//! So a flood of `n` newcomers a second leaves everybody at least `total / n` seconds for each step. Whoever was
//! authenticated loses nothing. An address that holds more than half gives of its own, so that it cannot drive out the
//! others; below that addresses do not count: behind a proxy all have the same one.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::limits::LEAVING_PATIENCE_MS;

/// Somebody who is connected.
pub(super) struct Guest {
    address: IpAddr,
    /// The share for which the connection must end.
    driven_out_of: OnceLock<&'static str>,
    leave: Notify,
}

impl Guest {
    /// Somebody at `ip`; who has an IPv6 network has all of its last 64 bits.
    pub(super) fn at(ip: IpAddr) -> Arc<Self> {
        let address = match ip.to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            v4 @ IpAddr::V4(_) => v4,
        };
        Arc::new(Self { address, driven_out_of: OnceLock::new(), leave: Notify::new() })
    }

    /// Waits until the connection must end, and says for which share.
    pub(super) async fn driven_out(&self) -> &'static str {
        self.leave.notified().await;
        self.driven_out_of.get().copied().unwrap_or_default()
    }
}

/// So many places, or bytes.
pub(super) struct Share {
    name: &'static str,
    total: usize,
    free: Arc<Semaphore>,
    holders: Mutex<Holders>,
}

/// Those who can be driven out.
#[derive(Default)]
struct Holders {
    next: u64,
    by_age: BTreeMap<u64, Holder>,
    by_address: HashMap<IpAddr, usize>,
}

struct Holder {
    guest: Arc<Guest>,
    amount: usize,
}

/// What a guest has of a share. It goes back when this is dropped.
pub(super) struct Part {
    share: Arc<Share>,
    guest: Arc<Guest>,
    /// Its key among the holders, changed only with their lock; 0 if it is not there.
    age: AtomicU64,
    permit: OwnedSemaphorePermit,
}

impl Share {
    /// `total` of what `name` says.
    pub(super) fn new(name: &'static str, total: usize) -> Arc<Self> {
        let (free, holders) = (Arc::new(Semaphore::new(total)), Mutex::default());
        Arc::new(Self { name, total, free, holders })
    }

    /// A part for `guest`, if need be in the place of others. `None` if all others are known.
    pub(super) async fn part(self: &Arc<Self>, guest: &Arc<Guest>, amount: usize) -> Option<Part> {
        let permit = self.reserve(guest, amount).await?;
        let (share, guest) = (Arc::clone(self), Arc::clone(guest));
        let part = Part { share, guest, age: AtomicU64::new(0), permit };
        part.moved();
        Some(part)
    }

    async fn reserve(&self, guest: &Arc<Guest>, amount: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(amount).ok()?;
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_many_owned(wanted) {
            return Some(permit);
        }
        let mut coming = 0;
        while coming < amount {
            coming += self.drive_out(guest)?;
        }
        // It comes when their tasks have ended, which they do when they are next looked at.
        let permit = Arc::clone(&self.free).acquire_many_owned(wanted);
        timeout(Duration::from_millis(LEAVING_PATIENCE_MS), permit).await.ok()?.ok()
    }

    /// How much comes back from the oldest part of somebody else.
    fn drive_out(&self, newcomer: &Arc<Guest>) -> Option<usize> {
        let mut holders = self.holders();
        let held =
            |(address, amount): (&IpAddr, &usize)| (*amount > self.total / 2).then_some(*address);
        let greedy = holders.by_address.iter().find_map(held);
        let fits = |holder: &Holder| {
            let fair = greedy.is_none_or(|address| holder.guest.address == address);
            fair && holder.amount > 0 && !Arc::ptr_eq(&holder.guest, newcomer)
        };
        let age = *holders.by_age.iter().find(|(_, holder)| fits(holder))?.0;
        let gone = holders.remove(age)?;
        let _ = gone.guest.driven_out_of.set(self.name);
        gone.guest.leave.notify_one();
        Some(gone.amount)
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// Whose it is.
    pub(super) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// How much it is.
    pub(super) fn amount(&self) -> usize {
        self.permit.num_permits()
    }

    /// The guest took a step: all others are older now. Ends what [`known`](Self::known) began.
    pub(super) fn moved(&self) {
        let mut holders = self.share.holders();
        holders.remove(self.age.load(Ordering::Relaxed));
        // Who must leave is on the way out: what it holds comes back once, and was counted on once.
        let stays = self.guest.driven_out_of.get().is_none();
        let age = if stays { holders.add(&self.guest, self.amount()) } else { 0 };
        self.age.store(age, Ordering::Relaxed);
    }

    /// The guest was authenticated: this part is not taken away.
    pub(super) fn known(&self) {
        self.share.holders().remove(self.age.swap(0, Ordering::Relaxed));
    }

    /// Adds to it, if need be in the place of others. Whether there was enough.
    pub(super) async fn grow(&mut self, amount: usize) -> bool {
        let Some(more) = self.share.reserve(&self.guest, amount).await else { return false };
        self.permit.merge(more);
        let mut holders = self.share.holders();
        if let Some(holder) = holders.remove(self.age.load(Ordering::Relaxed)) {
            holders.put(self.age.load(Ordering::Relaxed), holder.guest, self.amount());
        }
        true
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.share.holders().remove(self.age.load(Ordering::Relaxed));
    }
}

impl Holders {
    fn add(&mut self, guest: &Arc<Guest>, amount: usize) -> u64 {
        self.next += 1;
        self.put(self.next, Arc::clone(guest), amount);
        self.next
    }

    fn put(&mut self, age: u64, guest: Arc<Guest>, amount: usize) {
        *self.by_address.entry(guest.address).or_default() += amount;
        self.by_age.insert(age, Holder { guest, amount });
    }

    fn remove(&mut self, age: u64) -> Option<Holder> {
        let gone = self.by_age.remove(&age)?;
        let address = gone.guest.address;
        let left = self.by_address.get(&address).map_or(0, |held| held - gone.amount);
        if left == 0 {
            self.by_address.remove(&address);
        } else {
            self.by_address.insert(address, left);
        }
        Some(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(test);
    }

    fn guest(last: u8) -> Arc<Guest> {
        Guest::at([192, 0, 2, last].into())
    }

    fn left(part: &Part) -> bool {
        part.guest.driven_out_of.get().is_some()
    }

    /// A part for a newcomer, while whoever must leave does.
    async fn take(share: &Arc<Share>, parts: &mut Vec<Part>, last: u8, amount: usize) -> bool {
        let newcomer = guest(last);
        let leaving = async {
            tokio::task::yield_now().await;
            parts.retain(|part| !left(part));
        };
        let (part, ()) = tokio::join!(share.part(&newcomer, amount), leaving);
        let there = part.is_some();
        parts.extend(part);
        there
    }

    fn addresses(parts: &[Part]) -> Vec<u8> {
        let last = |part: &Part| match part.guest.address {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(_) => 0,
        };
        parts.iter().map(last).collect()
    }

    #[test]
    fn the_oldest_leaves_unless_it_moved_or_is_known() {
        run(async {
            let (share, mut parts) = (Share::new("places", 4), Vec::new());
            for last in 1..=4 {
                assert!(take(&share, &mut parts, last, 1).await);
            }
            parts[0].moved();
            parts[1].known();
            for (newcomer, want) in
                [(5, [1, 2, 4, 5]), (6, [1, 2, 5, 6]), (7, [2, 5, 6, 7]), (8, [2, 6, 7, 8])]
            {
                assert!(take(&share, &mut parts, newcomer, 1).await);
                assert_eq!(addresses(&parts), want);
            }
            // All known: nobody leaves, and a step makes one a stranger again.
            for part in &parts {
                part.known();
            }
            assert!(!take(&share, &mut parts, 9, 1).await);
            parts[2].moved();
            assert!(take(&share, &mut parts, 9, 1).await);
            assert_eq!(addresses(&parts), [2, 6, 8, 9]);
            drop(parts);
            assert_eq!(share.free.available_permits(), 4);
            assert!(share.holders().by_address.is_empty() && share.holders().by_age.is_empty());
        });
    }

    #[test]
    fn who_holds_more_than_half_gives_of_its_own() {
        run(async {
            let (share, mut parts) = (Share::new("places", 6), Vec::new());
            for last in [1, 2, 7, 7, 7, 7] {
                assert!(take(&share, &mut parts, last, 1).await);
            }
            assert!(take(&share, &mut parts, 7, 1).await);
            assert!(take(&share, &mut parts, 3, 1).await);
            assert_eq!(addresses(&parts), [1, 2, 7, 7, 7, 3]);
            // Half is not more than half: now the oldest of all leaves.
            assert!(take(&share, &mut parts, 4, 1).await);
            assert_eq!(addresses(&parts), [2, 7, 7, 7, 3, 4]);
        });
    }

    #[test]
    fn a_part_grows_at_the_cost_of_others_and_never_of_its_own() {
        run(async {
            let (share, mut parts) = (Share::new("bodies", 10), Vec::new());
            for (last, amount) in [(1, 3), (2, 3), (3, 4)] {
                assert!(take(&share, &mut parts, last, amount).await);
            }
            let mut first = parts.remove(0);
            let leaving = async {
                tokio::task::yield_now().await;
                parts.retain(|part| !left(part));
            };
            // Three of one are not enough for five.
            let (grown, ()) = tokio::join!(first.grow(5), leaving);
            assert!(grown && parts.is_empty() && !left(&first));
            assert_eq!(share.free.available_permits(), 2);
            assert!(!first.grow(3).await);
            drop(first);
            assert_eq!(share.free.available_permits(), 10);
        });
    }

    #[test]
    fn a_network_of_ipv6_is_one_guest() {
        let at = |text: &str| Guest::at(text.parse().unwrap()).address;
        assert_eq!(at("2001:db8:1:2:3::4"), at("2001:db8:1:2:ffff::"));
        assert_ne!(at("2001:db8:1:2::"), at("2001:db8:1:3::"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    }
}

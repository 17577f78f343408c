//! A plan for two spinners: which core for the feed, which for the engine, where the rest goes.

use crate::cpu::{Core, CpuError, check, cores};
use crate::text::list_text;
use std::cmp::Reverse;

/// Where the two spinners and everything else of a run belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorePlan {
    /// The feed's spinner.
    pub feed: usize,
    /// The engine's spinner.
    pub engine: usize,
    /// Where cold threads and tools go; never empty, never the engine's core unless it is the
    /// only one.
    pub cold: Vec<usize>,
    /// Both spinners on one core: they must yield to one another.
    pub must_yield: bool,
    /// The cold threads may run on the feed's core.
    pub cold_shares_feed: bool,
    /// Allowed cores that neither spinner takes.
    pub left_over: usize,
    /// One line: what was chosen and for what reason.
    pub why: String,
}

impl CorePlan {
    /// Whether `SCHED_FIFO` leaves the system a core to live on.
    ///
    /// # Errors
    /// [`CpuError::NoCoreLeftOver`].
    pub fn may_use_fifo(&self) -> Result<(), CpuError> {
        if self.left_over > 0 {
            return Ok(());
        }
        let spinners = if self.feed == self.engine { 1 } else { 2 };
        Err(CpuError::NoCoreLeftOver { allowed: spinners, spinners })
    }
}

/// Picks cores on this machine, or checks the wished ones (feed, engine).
///
/// # Errors
/// A wished core does not exist or is not allowed (the error lists those that would do); sysfs is
/// unreadable.
pub fn plan(wished: Option<(usize, usize)>) -> Result<CorePlan, CpuError> {
    plan_among(&cores()?, wished)
}

/// [`plan`] for a given machine.
///
/// Of all pairs of allowed cores the one wins that is, in this order: not two threads of one
/// physical core; with more isolated cores; the engine's isolated; on one memory node, in one
/// package, under one last-level cache; without core 0 (interrupts and housekeeping prefer it)
/// and its siblings, for the engine before the feed; then the lowest numbers.
///
/// # Errors
/// As [`plan`].
pub fn plan_among(cores: &[Core], wished: Option<(usize, usize)>) -> Result<CorePlan, CpuError> {
    let allowed: Vec<&Core> = cores.iter().filter(|core| core.allowed).collect();
    if let Some((feed, engine)) = wished {
        check(feed, cores)?;
        check(engine, cores)?;
        let named = |id| allowed.iter().copied().find(|core| core.id == id);
        if let (Some(feed), Some(engine)) = (named(feed), named(engine)) {
            return Ok(finish(&allowed, feed, engine, "as wished"));
        }
    }
    let pairs = allowed.iter().flat_map(|feed| allowed.iter().map(move |engine| (*feed, *engine)));
    match (pairs.filter(|(feed, engine)| feed.id != engine.id).max_by_key(rank), &allowed[..]) {
        (Some((feed, engine)), _) => Ok(finish(&allowed, feed, engine, "chosen")),
        (None, [only]) => Ok(finish(&allowed, only, only, "the only one")),
        (None, _) => Err(CpuError::NoSuchCore { core: 0, would_do: Vec::new() }),
    }
}

fn are_siblings(one: &Core, other: &Core) -> bool {
    one.id != other.id && one.siblings.contains(&other.id)
}

fn is_near_zero(core: &Core) -> bool {
    core.id == 0 || core.siblings.contains(&0)
}

/// Larger is better; see [`plan_among`] for the order.
fn rank(pair: &(&Core, &Core)) -> impl Ord + use<> {
    let (feed, engine) = *pair;
    let near = [
        feed.numa_node == engine.numa_node,
        feed.package == engine.package,
        feed.l3 == engine.l3,
        !is_near_zero(engine),
        !is_near_zero(feed),
    ];
    let isolated = usize::from(feed.isolated) + usize::from(engine.isolated);
    let numbers = Reverse((feed.id, engine.id));
    (!are_siblings(feed, engine), isolated, engine.isolated, near, numbers)
}

fn finish(allowed: &[&Core], feed: &Core, engine: &Core, how: &str) -> CorePlan {
    let rest: Vec<&Core> =
        allowed.iter().copied().filter(|c| c.id != feed.id && c.id != engine.id).collect();
    // One core left over belongs to the rest of the system too, so cold threads may use either.
    let cold_shares_feed = rest.len() <= 1;
    let must_yield = feed.id == engine.id;
    // The quietest choice first: neither isolated (the scheduler would pile all threads on the
    // first of them) nor a hardware thread of a spinner's own core.
    let quiet = |c: &&&Core| !c.isolated;
    let apart = |c: &&&Core| !are_siblings(c, feed) && !are_siblings(c, engine);
    let ids = |cores: Vec<&&Core>| -> Vec<usize> { cores.into_iter().map(|c| c.id).collect() };
    let mut cold = ids(rest.iter().filter(quiet).filter(apart).collect());
    if cold.is_empty() {
        cold = ids(rest.iter().filter(quiet).collect());
    }
    if cold.is_empty() {
        cold = ids(rest.iter().collect());
    }
    if cold_shares_feed {
        cold.push(feed.id);
        cold.sort_unstable();
    }
    let why = explain(allowed, feed, engine, &cold, how);
    CorePlan {
        feed: feed.id,
        engine: engine.id,
        cold,
        must_yield,
        cold_shares_feed,
        left_over: rest.len(),
        why,
    }
}

fn explain(allowed: &[&Core], feed: &Core, engine: &Core, cold: &[usize], how: &str) -> String {
    if feed.id == engine.id {
        return format!(
            "feed and engine both on core {} ({how}; {} allowed): two spinners on one core, they \
             yield to one another, and latencies are those of the scheduler",
            feed.id,
            allowed.len()
        );
    }
    let mut notes = vec![match (feed.isolated, engine.isolated) {
        (true, true) => "both isolated",
        (false, true) => "only the engine's isolated",
        (true, false) => "only the feed's isolated",
        (false, false) => "none isolated",
    }];
    if are_siblings(feed, engine) {
        notes.push("two threads of one physical core: they slow each other");
    }
    match (feed.package == engine.package, feed.l3 == engine.l3) {
        (false, _) => notes.push("different packages: each hand-over crosses the socket"),
        (true, false) => notes.push("different last-level caches"),
        (true, true) => notes.push("one package"),
    }
    if is_near_zero(engine) {
        notes.push("the engine shares core 0 with interrupts");
    }
    let rest = match (cold == [feed.id], cold.contains(&feed.id)) {
        (true, _) => "cold threads share the feed's core".to_owned(),
        (false, true) => {
            format!("cold threads on cores {}, the feed's among them", list_text(cold))
        }
        (false, false) => format!("cold threads on {}", list_text(cold)),
    };
    format!(
        "feed on core {}, engine on core {} ({how}; {}); {rest}; cores allowed: {}",
        feed.id,
        engine.id,
        notes.join(", "),
        list_text(&allowed.iter().map(|core| core.id).collect::<Vec<_>>())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` cores in one package, without hyper-threading.
    fn machine(count: usize) -> Vec<Core> {
        (0..count)
            .map(|id| Core {
                id,
                allowed: true,
                isolated: false,
                siblings: vec![id],
                package: 0,
                numa_node: 0,
                l3: Some(0),
            })
            .collect()
    }

    fn planned(cores: &[Core]) -> CorePlan {
        plan_among(cores, None).unwrap()
    }

    fn pair(cores: &[Core]) -> (usize, usize) {
        let plan = planned(cores);
        (plan.feed, plan.engine)
    }

    #[test]
    fn two_cores_feed_on_0_engine_on_1_and_cold_shares_the_feeds() {
        let plan = planned(&machine(2));
        assert_eq!((plan.feed, plan.engine, &plan.cold[..]), (0, 1, &[0][..]));
        assert!(plan.cold_shares_feed && !plan.must_yield);
        assert!(matches!(plan.may_use_fifo(), Err(CpuError::NoCoreLeftOver { .. })));
    }

    #[test]
    fn one_core_or_one_core_wished_twice_must_yield() {
        let plan = planned(&machine(1));
        assert_eq!((plan.feed, plan.engine, &plan.cold[..]), (0, 0, &[0][..]));
        assert!(plan.must_yield && plan.cold_shares_feed);
        let plan = plan_among(&machine(4), Some((2, 2))).unwrap();
        assert!(plan.must_yield && !plan.cold_shares_feed);
        assert_eq!(plan.cold, [0, 1, 3]);
        assert!(plan.may_use_fifo().is_ok());
    }

    #[test]
    fn core_0_is_left_to_the_system_where_there_is_a_choice() {
        let plan = planned(&machine(4));
        assert_eq!((plan.feed, plan.engine, &plan.cold[..]), (1, 2, &[0, 3][..]));
        let plan = planned(&machine(3));
        assert_eq!((plan.feed, plan.engine, &plan.cold[..]), (1, 2, &[0, 1][..]));
        assert!(plan.cold_shares_feed && plan.may_use_fifo().is_ok());
    }

    #[test]
    fn isolated_cores_come_first_and_a_single_one_is_the_engines() {
        let mut cores = machine(8);
        cores[5].isolated = true;
        assert_eq!(pair(&cores), (1, 5));
        cores[6].isolated = true;
        let plan = planned(&cores);
        assert_eq!((plan.feed, plan.engine), (5, 6));
        assert_eq!(plan.cold, [0, 1, 2, 3, 4, 7]);
    }

    #[test]
    fn siblings_of_one_physical_core_are_never_paired_by_choice() {
        let mut cores = machine(4);
        for (one, other) in [(0, 2), (1, 3)] {
            cores[one].siblings = vec![one, other];
            cores[other].siblings = vec![one, other];
        }
        // 1 and 3 avoid core 0 but are one physical core; the engine stays away from core 0's.
        assert_eq!(pair(&cores), (0, 1));
        cores[1].isolated = true;
        cores[3].isolated = true;
        let (feed, engine) = pair(&cores);
        assert_ne!(feed % 2, engine % 2);
        assert!(cores[engine].isolated);
    }

    #[test]
    fn a_pair_stays_in_one_package_and_under_one_cache() {
        let mut cores = machine(8);
        for core in &mut cores {
            core.package = core.id % 2;
            core.numa_node = core.id % 2;
            core.l3 = Some(core.id % 2);
        }
        assert_eq!(pair(&cores), (1, 3));
        for core in &mut cores {
            (core.package, core.numa_node) = (0, 0);
            core.l3 = Some(core.id / 4 * 4);
        }
        cores[1].allowed = false;
        cores[2].allowed = false;
        assert_eq!(pair(&cores), (4, 5));
    }

    #[test]
    fn wished_cores_must_exist_and_be_allowed() {
        let mut cores = machine(4);
        cores[3].allowed = false;
        let error = plan_among(&cores, Some((1, 9))).unwrap_err();
        assert!(
            matches!(&error, CpuError::NoSuchCore { core: 9, would_do } if would_do == &[0, 1, 2])
        );
        assert!(error.to_string().contains("cores 0-2 would do"), "{error}");
        let error = plan_among(&cores, Some((3, 1))).unwrap_err();
        assert!(matches!(&error, CpuError::NotAllowed { core: 3, .. }));
        assert!(error.is_permission());
        let plan = plan_among(&cores, Some((2, 0))).unwrap();
        assert_eq!((plan.feed, plan.engine), (2, 0));
        assert!(plan.why.contains("as wished"), "{}", plan.why);
    }

    #[test]
    fn only_allowed_cores_are_chosen() {
        let mut cores = machine(8);
        for id in [0, 1, 2, 4, 5, 6] {
            cores[id].allowed = false;
        }
        let plan = planned(&cores);
        assert_eq!((plan.feed, plan.engine, &plan.cold[..]), (3, 7, &[3][..]));
        for core in &mut cores {
            core.allowed = false;
        }
        assert!(plan_among(&cores, None).is_err());
    }
}

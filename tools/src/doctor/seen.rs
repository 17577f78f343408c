//! The machine, as far as all checks need it: its cores, which of them spin, its kernel.

use flate2::read::GzDecoder;
use std::io::Read;
use tickspin_host::cpu::{Core, cores_of, plan_among};
use tickspin_host::tree::{Absent, Tree, parse_list, shown, value};

/// Longest kernel configuration; a compressed file may claim any length.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// What all checks look at.
#[derive(Debug)]
pub struct Seen {
    /// Where its files are.
    pub tree: Tree,
    /// Online cores; none where sysfs does not list them.
    pub cores: Vec<Core>,
    /// The cores that the wishes are about: engine and feed, or those that were given.
    pub spinners: Vec<usize>,
    /// Of those, the ones that can be taken from the system: one core is left to it.
    pub quiet: Vec<usize>,
    /// Online cores that are not in `quiet`.
    pub rest: Vec<usize>,
    /// Why these cores.
    pub why: String,
    /// The processor says that it runs under a hypervisor.
    pub is_guest: bool,
    /// Flags of the first processor, or why there are none.
    pub flags: Result<Vec<String>, Absent>,
    /// What the kernel was booted with.
    pub command_line: Result<String, Absent>,
    /// How the kernel was built, where it says so.
    config: Option<String>,
}

impl Seen {
    /// Reads it. `wished`: the cores that are to spin; where none is given, those of a plan for a run.
    ///
    /// # Errors
    /// One line: a wished core is not online.
    pub fn read(tree: Tree, wished: &[usize]) -> Result<Seen, String> {
        let status = tree.text("/proc/self/status").unwrap_or_default();
        let allowed = value(&status, "Cpus_allowed_list").and_then(parse_list);
        let cores = cores_of(&tree, allowed.as_deref()).unwrap_or_default();
        if let Some(core) =
            wished.iter().find(|&&core| !cores.is_empty() && cores.iter().all(|c| c.id != core))
        {
            return Err(format!("there is no core {core} online"));
        }
        let (mut spinners, why) = match plan_among(&cores, None) {
            _ if !wished.is_empty() => (wished.to_vec(), "as wished".to_owned()),
            Ok(plan) => (vec![plan.feed, plan.engine], plan.why),
            Err(_) => (Vec::new(), "which cores there are is not known".to_owned()),
        };
        spinners.sort_unstable();
        spinners.dedup();
        let mut quiet = spinners.clone();
        if cores.iter().all(|core| quiet.contains(&core.id)) && !quiet.is_empty() {
            quiet.remove(0);
        }
        let online = cores.iter().map(|core| core.id);
        let rest = online.filter(|id| !quiet.contains(id)).collect();
        let flags: Result<Vec<String>, Absent> = tree.text("/proc/cpuinfo").map(|text| {
            value(&text, "flags").unwrap_or("").split_whitespace().map(str::to_owned).collect()
        });
        let is_guest =
            flags.as_ref().is_ok_and(|flags| flags.iter().any(|flag| flag == "hypervisor"));
        let command_line = tree.text("/proc/cmdline");
        let config = config(&tree);
        Ok(Seen { tree, cores, spinners, quiet, rest, why, is_guest, flags, command_line, config })
    }

    /// Whether the kernel was built with `CONFIG_…`; `None` where it does not say.
    pub(super) fn has_config(&self, name: &str) -> Option<bool> {
        let wanted = format!("{name}=y");
        Some(self.config.as_ref()?.lines().any(|line| line == wanted))
    }

    /// The value of a kernel parameter, the last one of the name; empty for one without a value.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let line = self.command_line.as_deref().ok()?;
        let words = line.split_whitespace().take_while(|&word| word != "--");
        words
            .filter_map(|word| match word.split_once('=') {
                Some((key, value)) => (key == name).then_some(value),
                None => (word == name).then_some(""),
            })
            .last()
    }

    /// Of the cores that are to be quiet, those that `list` has not.
    pub(super) fn missing_from(&self, list: &[usize]) -> Vec<usize> {
        self.quiet.iter().copied().filter(|core| !list.contains(core)).collect()
    }

    /// A machine's name from its firmware.
    pub(super) fn product(&self) -> Option<String> {
        let words: Vec<String> = ["sys_vendor", "product_name"]
            .iter()
            .filter_map(|file| self.tree.text(&format!("/sys/class/dmi/id/{file}")).ok())
            .filter(|text| !text.is_empty())
            .map(|text| shown(&text))
            .collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

/// From the kernel itself, or from the file that distributions put beside it.
fn config(tree: &Tree) -> Option<String> {
    if let Ok(packed) = tree.bytes("/proc/config.gz") {
        let mut text = String::new();
        let unpacked =
            GzDecoder::new(packed.as_slice()).take(CONFIG_BYTES_MAX).read_to_string(&mut text);
        return unpacked.is_ok().then_some(text);
    }
    let release = tree.text("/proc/sys/kernel/osrelease").ok()?;
    let is_name = !release.is_empty() && !release.contains('/');
    is_name.then(|| tree.text(&format!("/boot/config-{release}")).ok()).flatten()
}

//! The CPU limit of the control group that this process is in, and what it cost.
//!
//! Both versions of cgroups, and every group from the process's own up to the root, since the
//! tightest of them is what limits: a container sees its own group as the root, a service of
//! systemd is some levels below it. Files that are not there limit nothing.

use std::path::{Path, PathBuf};

/// The folders of this process's CPU groups, the innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Groups(Vec<PathBuf>);

/// What `cpu.stat` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Throttling {
    /// Periods of the limit.
    pub(super) periods: u64,
    /// Those of them in which the group was stopped.
    pub(super) throttled: u64,
    /// For how long in all, added over its CPUs, µs.
    pub(super) throttled_us: u64,
}

impl Groups {
    /// Those of this process.
    pub(super) fn detect() -> Self {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::of(&own, Path::new("/sys/fs/cgroup"))
    }

    /// Those that `/proc/self/cgroup` names, below where cgroups are mounted.
    fn of(own: &str, mount: &Path) -> Self {
        let mut folders = Vec::new();
        for line in own.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let root = if controllers.is_empty() {
                mount.to_owned()
            } else if controllers.split(',').any(|controller| controller == "cpu") {
                // The mount has the name of one controller or of all that share it.
                let named = mount.join(controllers);
                if named.is_dir() { named } else { mount.join("cpu") }
            } else {
                continue;
            };
            let own = root.join(path.trim_start_matches('/'));
            // Inside a container the path may be that of the host, and is then not to be found.
            folders
                .extend(own.ancestors().take_while(|at| at.starts_with(&root)).map(Path::to_owned));
        }
        Self(folders.into_iter().filter(|folder| folder.is_dir()).collect())
    }

    /// The tightest limit, in thousandths of a core.
    pub(super) fn quota_millicores(&self) -> Option<u64> {
        self.0.iter().filter_map(|folder| quota_of(folder)).min()
    }

    /// What was throttled: of the groups that have a limit the one that was stopped longest.
    pub(super) fn throttling(&self) -> Throttling {
        let stats = self.0.iter().filter_map(|folder| read(&folder.join("cpu.stat")));
        stats.map(|text| throttling_of(&text)).max_by_key(|t| t.throttled_us).unwrap_or_default()
    }
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Version 2's `cpu.max` is `"150000 100000"`, one and a half cores, or `"max 100000"`; version 1
/// has a file for each number, and -1 for no limit.
fn quota_of(folder: &Path) -> Option<u64> {
    let number = |name: &str| read(&folder.join(name))?.trim().parse::<u64>().ok();
    let (quota, period) = match read(&folder.join("cpu.max")) {
        Some(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?)
        }
        None => (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?),
    };
    quota.checked_mul(1_000)?.checked_div(period)
}

fn throttling_of(text: &str) -> Throttling {
    let number = |word: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| *name == word)?.1.trim().parse::<u64>().ok()
    };
    let in_ns = || number("throttled_time").map(|ns| ns / 1_000);
    Throttling {
        periods: number("nr_periods").unwrap_or(0),
        throttled: number("nr_throttled").unwrap_or(0),
        throttled_us: number("throttled_usec").or_else(in_ns).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mount with these files, below a folder of the test's own.
    fn mount(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        root
    }

    #[test]
    fn throttling_is_read_from_both_versions() {
        let expected = Throttling { periods: 120, throttled: 7, throttled_us: 35_000 };
        let second = "usage_usec 9\nnr_periods 120\nnr_throttled 7\nthrottled_usec 35000\n";
        let first = "nr_periods 120\nnr_throttled 7\nthrottled_time 35000999\n";
        assert_eq!(throttling_of(second), expected);
        assert_eq!(throttling_of(first), expected);
        assert_eq!(throttling_of("usage_usec 9\n"), Throttling::default());
    }

    #[test]
    fn the_tightest_limit_on_the_way_to_the_root_counts() {
        let root = mount(
            "cgroup2",
            &[
                ("cgroup.procs", ""),
                ("system.slice/cpu.max", "150000 100000\n"),
                ("system.slice/load.service/cpu.max", "max 100000\n"),
                ("system.slice/load.service/cpu.stat", "nr_periods 0\nthrottled_usec 0\n"),
                ("system.slice/cpu.stat", "nr_periods 9\nnr_throttled 3\nthrottled_usec 12\n"),
            ],
        );
        let groups = Groups::of("0::/system.slice/load.service\n", &root);
        assert_eq!(groups.0.len(), 3, "{groups:?}");
        assert_eq!(groups.quota_millicores(), Some(1_500));
        assert_eq!(groups.throttling().throttled, 3);
        let container = Groups::of("0::/\n", &root.join("system.slice"));
        assert_eq!(container.quota_millicores(), Some(1_500));
        std::fs::remove_dir_all(root).expect("still there");
    }

    #[test]
    fn a_limit_of_the_first_version_is_read_where_its_controller_is_mounted() {
        let limited = [("cpu.cfs_quota_us", "50000\n"), ("cpu.cfs_period_us", "100000\n")];
        let at = |folder: &str| -> Vec<(String, &str)> {
            limited.iter().map(|(name, text)| (format!("{folder}/{name}"), *text)).collect()
        };
        let none = ("cpu,cpuacct/cpu.cfs_quota_us".to_owned(), "-1\n");
        let files = [at("cpu,cpuacct/docker/abc"), vec![none]].concat();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, *text)).collect();
        let root = mount("cgroup1", &files);
        let own = "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n";
        assert_eq!(Groups::of(own, &root).quota_millicores(), Some(500));
        // In a container that does not see the host's path, its own group is the mount.
        let inside = root.join("cpu,cpuacct/docker/abc");
        std::fs::create_dir_all(root.join("inside")).expect("a folder");
        std::fs::rename(inside, root.join("inside/cpu")).expect("moved");
        let groups = Groups::of("2:cpu,cpuacct:/docker/abc\n", &root.join("inside"));
        assert_eq!(groups.quota_millicores(), Some(500));
        assert_eq!(Groups::of("", &root), Groups::default());
        std::fs::remove_dir_all(root).expect("still there");
    }
}

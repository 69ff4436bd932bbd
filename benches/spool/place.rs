//! Where it is measured: a temporary directory on a disk, which goes at the end, also when the run is stopped.

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

pub struct Place {
    dir: TempDir,
    filesystem: String,
    stopped: Arc<AtomicBool>,
}

impl Place {
    /// Below `$TMPDIR`. One in memory is refused: its syncs cost nothing.
    pub fn on_disk() -> Result<Place> {
        let dir = tempfile::Builder::new().prefix("bench-spool.").tempdir().context("cannot make a temporary directory")?;
        let kind = kind(dir.path())?;
        if matches!(kind.as_str(), "tmpfs" | "ramfs") {
            bail!("{} is {kind}, where a sync costs nothing: set TMPDIR to a directory on a disk", dir.path().display());
        }
        let stopped = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, stopped.clone())?;
        }
        let filesystem = format!("{kind} ({})", std::env::temp_dir().display());
        Ok(Place { dir, filesystem, stopped })
    }

    pub fn filesystem(&self) -> &str {
        &self.filesystem
    }

    /// A new directory in it.
    pub fn make(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.path().join(name);
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// An error once somebody wants us to stop, so that the directory goes on the way out.
    pub fn go_on(&self) -> Result<()> {
        if self.stopped.load(Ordering::Relaxed) {
            bail!("stopped; removing {}", self.dir.path().display());
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn kind(path: &Path) -> Result<String> {
    use nix::sys::statfs;
    let found = statfs::statfs(path).with_context(|| path.display().to_string())?.filesystem_type();
    let names = [
        (statfs::TMPFS_MAGIC, "tmpfs"),
        (statfs::EXT4_SUPER_MAGIC, "ext4"),
        (statfs::XFS_SUPER_MAGIC, "xfs"),
        (statfs::BTRFS_SUPER_MAGIC, "btrfs"),
        (statfs::OVERLAYFS_SUPER_MAGIC, "overlayfs"),
        (statfs::NFS_SUPER_MAGIC, "nfs"),
        // linux/magic.h
        (statfs::FsType(0x8584_58f6), "ramfs"),
        (statfs::FsType(0x2fc1_2fc1), "zfs"),
    ];
    let name = names.iter().find(|(magic, _)| *magic == found).map(|(_, name)| (*name).to_owned());
    let name = name.unwrap_or_else(|| format!("file system {:#x}", found.0));
    Ok(if name == "ext4" && !has_journal(path)? { format!("{name} without a journal") } else { name })
}

/// Without one, ext4 writes a file's inode and directory on the spot: there is nothing for syncs to share but the flush.
#[cfg(target_os = "linux")]
fn has_journal(path: &Path) -> Result<bool> {
    use nix::sys::stat;
    let device = stat::stat(path)?.st_dev;
    let link = format!("/sys/dev/block/{}:{}", stat::major(device), stat::minor(device));
    let block = std::fs::canonicalize(&link).with_context(|| link.clone())?;
    let name = block.file_name().context(link)?;
    let task = Path::new("/sys/fs/ext4").join(name).join("journal_task");
    Ok(std::fs::read_to_string(&task).with_context(|| task.display().to_string())?.trim() != "<none>")
}

#[cfg(not(target_os = "linux"))]
fn kind(path: &Path) -> Result<String> {
    let found = nix::sys::statfs::statfs(path).with_context(|| path.display().to_string())?;
    Ok(found.filesystem_type_name().to_owned())
}

//! Which file a piece of memory comes from.

use std::{fs, io, os::fd::AsFd};

use rustix::fs::{fstat, major, minor};

/// A file, as the kernel tells it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: (u32, u32),
    inode: u64,
}

/// Whether `size` bytes at `address` are mapped from the open file `fd`.
pub(super) fn is_from(address: usize, size: usize, fd: impl AsFd) -> io::Result<bool> {
    let stat = fstat(fd)?;
    let file = FileId { device: (major(stat.st_dev), minor(stat.st_dev)), inode: stat.st_ino };
    // Paths in it are any bytes.
    let maps = fs::read("/proc/self/maps")?;
    Ok(file_at(&String::from_utf8_lossy(&maps), address, size) == Some(file))
}

fn file_at(maps: &str, address: usize, size: usize) -> Option<FileId> {
    let end = address.checked_add(size)?;
    maps.lines()
        .filter_map(|line| {
            // start-end perms offset major:minor inode path
            let mut columns = line.split_ascii_whitespace();
            let (from, to) = columns.next()?.split_once('-')?;
            let (major, minor) = columns.nth(2)?.split_once(':')?;
            let inode = columns.next()?.parse().ok()?;
            let hex = |text| u32::from_str_radix(text, 16).ok();
            let from = usize::from_str_radix(from, 16).ok()?;
            let to = usize::from_str_radix(to, 16).ok()?;
            let file = FileId { device: (hex(major)?, hex(minor)?), inode };
            (from <= address && end <= to).then_some(file)
        })
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
7f0000000000-7f0000001000 r--p 00000000 00:01 2051 /memfd:plugin (deleted)
7f0000001000-7f0000003000 r-xp 00001000 fe:0a 77 /lib/libc.so.6
7f0000003000-7f0000004000 rw-p 00000000 00:00 0
";

    #[test]
    fn memory_is_known_by_the_file_behind_it() {
        let memfd = FileId { device: (0, 1), inode: 2051 };
        let libc = FileId { device: (0xfe, 0x0a), inode: 77 };
        for (address, size, file) in [
            (0x7f00_0000_0000, 1, Some(memfd)),
            (0x7f00_0000_0fff, 1, Some(memfd)),
            (0x7f00_0000_0fff, 2, None),
            (0x7f00_0000_1000, 0x2000, Some(libc)),
            (0x7f00_0000_3000, 8, Some(FileId { device: (0, 0), inode: 0 })),
            (0x10, 1, None),
            (usize::MAX, 2, None),
        ] {
            assert_eq!(file_at(MAPS, address, size), file, "{address:x}");
        }
    }
}

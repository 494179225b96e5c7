//! The file format of BoltDB, version 2 (storage.md 6.1), read and never written.
//!
//! A file is a tree of pages. Each page is read once at most, and what stands on a page cannot be
//! larger than the page, so time and memory are bounded by the size of the file, whatever is in it.
//! What is damaged is told, and the rest is read.
use super::damage::{Damage, shown};
use std::collections::BTreeMap;

/// Begins the second part of each of the first two pages.
const MAGIC: [u8; 4] = 0xED0C_DAED_u32.to_le_bytes();
/// Of a page, and of an element on it.
const HEADER: usize = 16;
/// What a meta page says, up to its checksum.
const META: usize = 56;

const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const FREE: u16 = 0x10;
/// In place of the list of free pages, where somebody chose to keep none.
const NO_LIST: u64 = u64::MAX;
/// A leaf's element that is a bucket.
const BUCKET: u32 = 0x01;

/// Trees of real files are four levels high at the most.
const DEEPEST: usize = 32;

/// What a file has: values by key, by bucket. Buckets inside of buckets are not followed: Heketi
/// has none.
#[derive(Debug, Default)]
pub(super) struct Contents<'a> {
    pub(super) buckets: BTreeMap<Vec<u8>, BTreeMap<&'a [u8], &'a [u8]>>,
    pub(super) damage: Vec<Damage>,
}

/// Whether this is the beginning of such a file.
pub(super) fn is_bolt(bytes: &[u8]) -> bool {
    bytes.get(HEADER..HEADER + MAGIC.len()) == Some(&MAGIC)
}

/// Reads all that can be read.
///
/// # Errors
/// Neither of the first two pages tells where the tree is.
pub(super) fn read(bytes: &[u8]) -> Result<Contents<'_>, String> {
    let meta = newest_meta(bytes)?;
    let mut reader = Reader {
        bytes,
        page_size: meta.page_size,
        pages: meta.pages,
        seen: vec![],
        damage: vec![],
        bucket: None,
    };
    let expected = meta.pages.saturating_mul(wide(meta.page_size));
    if wide(bytes.len()) < expected {
        reader.damaged(format!("the file ends at byte {}, of {expected}", bytes.len()));
    }
    let fit = bytes.len() / meta.page_size;
    reader.seen = vec![false; fit];
    // The first two pages belong to no tree.
    reader.seen.iter_mut().take(2).for_each(|seen| *seen = true);
    if meta.free != NO_LIST
        && let Err(why) = reader.free(meta.free)
    {
        reader.damaged(format!("the list of free pages: {why}"));
    }
    let mut top = vec![];
    reader.tree(meta.root, 0, &mut top);
    let mut contents = Contents::default();
    for element in top {
        let key = element.key.to_vec();
        reader.bucket = Some(key.clone());
        if element.bucket {
            let values = reader.bucket(element.value);
            contents.buckets.insert(key, values);
        } else {
            reader.damaged("is a value beside the buckets".to_owned());
        }
    }
    contents.damage = reader.damage;
    Ok(contents)
}

/// What the first two pages tell, in turns.
struct Meta {
    page_size: usize,
    root: u64,
    /// Where the list of free pages is.
    free: u64,
    /// How many pages the file has.
    pages: u64,
    /// Grows with each transaction.
    transaction: u64,
}

/// The one of the two that was written last and wholly.
fn newest_meta(bytes: &[u8]) -> Result<Meta, String> {
    let first = meta_at(bytes, 0);
    // Where the second one begins is known from the first, or by trying.
    let mut sizes = (9..=16).map(|power| 1_usize << power);
    let second = match &first {
        Ok(meta) => meta_at(bytes, meta.page_size),
        Err(why) => sizes
            .find_map(|size| meta_at(bytes, size).ok().filter(|meta| meta.page_size == size))
            .ok_or_else(|| why.clone()),
    };
    match (first, second) {
        (Ok(first), Ok(second)) if second.page_size == first.page_size => {
            Ok(if second.transaction > first.transaction { second } else { first })
        }
        (Ok(meta), _) | (Err(_), Ok(meta)) => Ok(meta),
        (Err(why), Err(_)) => Err(why),
    }
}

fn meta_at(bytes: &[u8], at: usize) -> Result<Meta, String> {
    let page = bytes.get(at..).and_then(|page| page.get(HEADER..HEADER + META + 8));
    let meta = page.ok_or_else(|| format!("the file ends at byte {}", bytes.len()))?;
    let magic = &meta[..4];
    if magic.iter().eq(MAGIC.iter().rev()) {
        return Err("it was written by a big-endian machine, whose files are not read".to_owned());
    }
    if magic != MAGIC {
        return Err("it is no database of BoltDB".to_owned());
    }
    let version = u32_at(meta, 4);
    if version != 2 {
        return Err(format!("it is of version {version} of BoltDB's format; 2 is read"));
    }
    if fnv(&meta[..META]) != u64_at(meta, META) {
        return Err("its first two pages are damaged (checksum)".to_owned());
    }
    let page_size = usize::try_from(u32_at(meta, 8)).unwrap_or_default();
    if !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
        return Err(format!("its pages have {page_size} bytes, which makes no sense"));
    }
    Ok(Meta {
        page_size,
        root: u64_at(meta, 16),
        free: u64_at(meta, 32),
        pages: u64_at(meta, 40),
        transaction: u64_at(meta, 48),
    })
}

/// FNV-1a of 64 bits, which guards the meta pages.
fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// An element of a leaf.
struct Element<'a> {
    key: &'a [u8],
    value: &'a [u8],
    bucket: bool,
}

struct Reader<'a> {
    bytes: &'a [u8],
    page_size: usize,
    pages: u64,
    /// Pages that are free, or belong to something already.
    seen: Vec<bool>,
    damage: Vec<Damage>,
    /// The one that is being read.
    bucket: Option<Vec<u8>>,
}

impl<'a> Reader<'a> {
    fn damaged(&mut self, why: String) {
        let bucket = self.bucket.as_deref().map(shown).unwrap_or_default();
        self.damage.push(Damage { bucket, key: String::new(), why });
    }

    /// The values of a bucket, which is told by the number of its root page, or else follows at once.
    fn bucket(&mut self, value: &'a [u8]) -> BTreeMap<&'a [u8], &'a [u8]> {
        let mut elements = vec![];
        match value.get(..HEADER) {
            None => self.damaged("what tells where it is, is cut off".to_owned()),
            Some(header) => match u64_at(header, 0) {
                0 => match self.leaf(&value[HEADER..]) {
                    Ok(found) => elements = found,
                    Err(why) => self.damaged(why),
                },
                root => self.tree(root, 0, &mut elements),
            },
        }
        let mut values = BTreeMap::new();
        let mut before: Option<&[u8]> = None;
        for Element { key, value, bucket } in elements {
            if before.is_some_and(|before| before >= key) {
                self.damaged(format!("{} is not in its place", shown(key)));
            }
            before = Some(key);
            if bucket {
                self.damaged(format!("{} is a bucket, which is passed over", shown(key)));
            } else {
                values.entry(key).or_insert(value);
            }
        }
        values
    }

    /// Free pages have what stood there before, so they look like any other: nothing may refer to
    /// them.
    fn free(&mut self, page: u64) -> Result<(), String> {
        let list = self.page(page)?;
        if u16_at(list, 8) & FREE == 0 {
            return Err(format!("page {page} is of kind {:#x}", u16_at(list, 8)));
        }
        let short = usize::from(u16_at(list, 10));
        let (from, count) = if short < usize::from(u16::MAX) {
            (HEADER, short)
        } else {
            (HEADER + 8, usize::try_from(u64_at(list, HEADER)).unwrap_or(usize::MAX))
        };
        let numbers = list[from..].chunks_exact(8);
        if numbers.len() < count {
            return Err(format!("page {page} has fewer numbers than it says"));
        }
        for number in numbers.take(count).map(|number| u64_at(number, 0)) {
            let seen = usize::try_from(number).ok().and_then(|number| self.seen.get_mut(number));
            match seen {
                Some(seen) if !*seen => *seen = true,
                // Those that were cut off are told already.
                None if number < self.pages => {}
                _ => return Err(format!("page {number} cannot be free")),
            }
        }
        Ok(())
    }

    /// All elements below a page.
    fn tree(&mut self, page: u64, depth: usize, into: &mut Vec<Element<'a>>) {
        let below = self.page(page).and_then(|bytes| match u16_at(bytes, 8) & (BRANCH | LEAF) {
            LEAF => self.leaf(bytes).map(|mut elements| {
                into.append(&mut elements);
                vec![]
            }),
            BRANCH if depth < DEEPEST => Self::branch(bytes),
            BRANCH => Err(format!("more than {DEEPEST} levels of pages")),
            _ => Err(format!("is of kind {:#x}, and has no keys", u16_at(bytes, 8))),
        });
        match below {
            Ok(below) => below.into_iter().for_each(|page| self.tree(page, depth + 1, into)),
            Err(why) => self.damaged(format!("page {page}: {why}; what stands there is lost")),
        }
    }

    /// A page with those that belong to it. Nothing may refer to it a second time.
    fn page(&mut self, page: u64) -> Result<&'a [u8], String> {
        let index = usize::try_from(page).ok().filter(|page| *page < self.seen.len());
        let Some(index) = index else {
            let what = if page < self.pages { "was cut off" } else { "is none of the file" };
            return Err(what.to_owned());
        };
        let begin = index * self.page_size;
        let header = &self.bytes[begin..begin + HEADER];
        if u64_at(header, 0) != page {
            return Err(format!("says of itself that it is page {}", u64_at(header, 0)));
        }
        let more = usize::try_from(u32_at(header, 12)).unwrap_or(usize::MAX);
        let end = index.checked_add(more).and_then(|last| last.checked_add(1));
        let Some(all) = end.and_then(|end| self.seen.get_mut(index..end)) else {
            return Err(format!(
                "says that it goes on for {more} pages, beyond the end of the file"
            ));
        };
        if all.contains(&true) {
            return Err("is free, or is referred to more than once".to_owned());
        }
        all.fill(true);
        Ok(&self.bytes[begin..begin + all.len() * self.page_size])
    }

    /// Numbers of the pages below.
    fn branch(page: &[u8]) -> Result<Vec<u64>, String> {
        let elements = elements(page)?;
        Ok(elements.map(|(_, header)| u64_at(header, 8)).collect())
    }

    fn leaf(&mut self, page: &'a [u8]) -> Result<Vec<Element<'a>>, String> {
        let mut found = vec![];
        // Keys and values that shared bytes could be more than the page has.
        let mut room = page.len();
        for (number, (at, header)) in elements(page)?.enumerate() {
            let [flags, begin, key, value] = [0, 4, 8, 12].map(|part| u32_at(header, part));
            let [begin, key, value] =
                [begin, key, value].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            let begin = at.saturating_add(begin);
            let size = key.saturating_add(value);
            let bytes = page.get(begin..begin.saturating_add(size));
            match (bytes, room.checked_sub(size)) {
                (Some(bytes), Some(left)) => {
                    room = left;
                    let (key, value) = bytes.split_at(key);
                    found.push(Element { key, value, bucket: flags & BUCKET != 0 });
                }
                _ => self.damaged(format!(
                    "page {}: entry {} reaches beyond its page, and is lost",
                    u64_at(page, 0),
                    number + 1
                )),
            }
        }
        Ok(found)
    }
}

/// The fixed parts of what stands on a page, each with its place.
fn elements(page: &[u8]) -> Result<impl Iterator<Item = (usize, &[u8])>, String> {
    let count = page.get(..HEADER).map(|header| usize::from(u16_at(header, 10)));
    let all = count.and_then(|count| page.get(HEADER..HEADER + count * HEADER));
    let all = all.ok_or("has fewer entries than it says")?;
    Ok(all.chunks_exact(HEADER).enumerate().map(|(n, bytes)| (HEADER + n * HEADER, bytes)))
}

/// A number of bytes or pages.
fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

// The caller has seen to it that there are as many bytes; others count as 0.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    array_at(bytes, at).map(u16::from_le_bytes).unwrap_or_default()
}
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    array_at(bytes, at).map(u32::from_le_bytes).unwrap_or_default()
}
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    array_at(bytes, at).map(u64::from_le_bytes).unwrap_or_default()
}
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

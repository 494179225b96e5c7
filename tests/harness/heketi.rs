//! Real databases of Heketi, and what Heketi made of them.
use flate2::read::GzDecoder;
use std::{
    fs::{self, File},
    io::Read,
    path::PathBuf,
};

/// A database as it lay on disk, and its export by Heketi 10.
pub struct Pair {
    pub name: &'static str,
    pub file: Vec<u8>,
    pub export: String,
}

/// Of versions 10, 6 and 4.
pub fn databases() -> [Pair; 3] {
    ["v10-mixed", "v6x", "v40"].map(|name| {
        let mut file = vec![];
        GzDecoder::new(File::open(packed(name)).unwrap()).read_to_end(&mut file).unwrap();
        let export = fs::read_to_string(path(&format!("{name}.json"))).unwrap();
        Pair { name, file, export }
    })
}

/// Where the database lies, packed by gzip.
pub fn packed(name: &str) -> PathBuf {
    path(&format!("{name}.db.gz"))
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/data/heketi/databases", name].iter().collect()
}

/// Makes the entry of this id, of whatever kind, such that it cannot be read; all old versions of
/// it as well.
pub fn spoil(file: &mut [u8], id: &str) {
    for at in 0..file.len() - 64 {
        // A value follows its key, and begins with the length of the description of a struct.
        let value = at + id.len();
        let begins = |from: usize| file[from] == 0xff && file[from + 2..].starts_with(&[3, 1, 1]);
        if file[at..].starts_with(id.as_bytes()) && (begins(value + 1) || begins(value + 2)) {
            file[value] = 0x80;
        }
    }
}

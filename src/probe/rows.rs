//! The rows that samples go through: read from a file as they are needed, or the numbers of a range.
//!
//! A file is read once from its beginning to its end, for its digest and for where each row is; of a row
//! nothing is kept but its place. All of that is done before the first sample. A row is read when it is
//! its turn, outside of what is timed and counted.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
    time::SystemTime,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    ignored::IgnoredPointers,
    pointed::values_of_json,
    values::{VALUE_MAX, Values},
};
use crate::{
    contract::{ROWS_MAX, RowsSource, RowsSpec, is_name},
    text::{hex, printable},
};

/// What is wrong with a value of a row that a response has as well.
const CAPTURED_TOO: &str = "a request captures as well: rename one of the two";

/// A row is no longer.
const ROW_MAX: u64 = 1 << 20;

/// Rows in their order.
#[derive(Debug)]
pub(super) struct Rows {
    kind: Kind,
    /// The numbers of the rows, from 0, in the order that the seed decides.
    order: Vec<u32>,
    /// What responses give a value: no row may have a value of such a name, as one of the two would win.
    captured: Vec<String>,
    /// The names whose values are sent.
    sent: BTreeSet<String>,
}

#[derive(Debug)]
enum Kind {
    Range { name: String, first: u64 },
    File(RowFile),
}

/// A file, and where its rows are.
#[derive(Debug)]
struct RowFile {
    /// As the contract names it.
    name: String,
    file: File,
    /// Where each row begins; after the last one where that ends.
    offsets: Vec<u64>,
    /// The line of names, of CSV.
    columns: Option<Vec<String>>,
    sha256: String,
    /// When it was written last, and its length, before it was read.
    written: FileState,
}

type FileState = (Option<SystemTime>, u64);

/// As the system knows it; who cannot say when it was written cannot notice that it is written again.
fn written(file: &File) -> std::io::Result<FileState> {
    file.metadata().map(|it| (it.modified().ok(), it.len()))
}

impl Rows {
    /// The rows of a check whose files are in this directory.
    ///
    /// # Errors
    ///
    /// What is wrong with the file.
    pub(super) fn open(spec: &RowsSpec, directory: &Path) -> Result<Self, String> {
        let (kind, count) = match &spec.source {
            RowsSource::Range { name, first, last } => {
                (Kind::Range { name: name.clone(), first: *first }, last - first + 1)
            }
            RowsSource::Csv(name) | RowsSource::JsonLines(name) => {
                let is_csv = matches!(spec.source, RowsSource::Csv(_));
                let refused = |problem: String| {
                    format!(
                        "cannot use the rows of `{}`: {problem}",
                        printable(name.as_bytes(), 200)
                    )
                };
                let file = RowFile::open(directory, name, is_csv).map_err(refused)?;
                let count = file.offsets.len().saturating_sub(1) as u64;
                (Kind::File(file), count)
            }
        };
        let count = u32::try_from(count).map_err(|_| "there are too many rows".to_owned())?;
        let order = shuffled(count, spec.seed);
        Ok(Self { kind, order, captured: Vec::new(), sent: BTreeSet::new() })
    }

    /// These rows beside values of these names, which responses have.
    ///
    /// # Errors
    ///
    /// A column of such a name. Where each row has its own names, the row says so when it is its turn.
    pub(super) fn beside(self, captured: Vec<String>) -> Result<Self, String> {
        let columns = self.columns().unwrap_or_default();
        if let Some(twice) = columns.iter().find(|it| captured.iter().any(|name| name == *it)) {
            let (file, _) = self.digest().unwrap_or_default();
            let file = printable(file.as_bytes(), 200);
            return Err(format!("`{file}` has a column `{twice}`, which {CAPTURED_TOO}"));
        }
        Ok(Self { captured, ..self })
    }

    /// Says which values are sent.
    pub(super) fn send(&mut self, names: BTreeSet<String>) {
        self.sent = names;
    }

    /// How many there are; at least 1.
    pub(super) fn count(&self) -> u64 {
        self.order.len() as u64
    }

    /// The file with its SHA-256.
    pub(super) fn digest(&self) -> Option<(&str, &str)> {
        match &self.kind {
            Kind::Range { .. } => None,
            Kind::File(file) => Some((&file.name, &file.sha256)),
        }
    }

    /// The names of the columns; `None` where each row has its own.
    pub(super) fn columns(&self) -> Option<Vec<&str>> {
        match &self.kind {
            Kind::Range { name, .. } => Some(vec![name]),
            Kind::File(file) => {
                file.columns.as_ref().map(|it| it.iter().map(String::as_str).collect())
            }
        }
    }

    /// The values of the row at this place of the order, which begins again after its end.
    pub(super) fn values(&mut self, position: u64) -> Result<Values, String> {
        let place = usize::try_from(position % self.count()).unwrap_or_default();
        let number = self.order[place];
        let mut values = Values::default();
        match &mut self.kind {
            Kind::Range { name, first } => {
                values.add(name, (*first + u64::from(number)).to_string());
            }
            Kind::File(file) => {
                let added = file.add_row(number as usize, &self.sent, &mut values);
                let twice = self.captured.iter().find(|it| values.get(it).is_some());
                let added = added.and_then(|()| match twice {
                    Some(name) => Err(format!("has a value `{name}`, which {CAPTURED_TOO}")),
                    None => Ok(()),
                });
                added.map_err(|problem| {
                    let name = printable(file.name.as_bytes(), 200);
                    format!("row {} of `{name}` {problem}", u64::from(number) + 1)
                })?;
            }
        }
        Ok(values)
    }
}

impl RowFile {
    fn open(directory: &Path, name: &str, is_csv: bool) -> Result<Self, String> {
        let path = directory.join(name);
        let found = std::fs::metadata(&path).map_err(|error| error.to_string())?;
        if !found.is_file() {
            return Err("it is a directory, a FIFO or a device, and no file".to_owned());
        }
        let file = File::open(&path).map_err(|error| error.to_string())?;
        let written = written(&file).map_err(|error| error.to_string())?;
        let mut reader = BufReader::with_capacity(1 << 16, &file);
        let (mut digest, mut offsets, mut at) = (Sha256::new(), Vec::new(), 0_u64);
        let mut record = Vec::new();
        let mut columns = None;
        loop {
            record.clear();
            let read = read_record(&mut reader, is_csv, &mut record)
                .map_err(|problem| format!("row {} {problem}", offsets.len() + 1))?;
            if read == 0 {
                break;
            }
            digest.update(&record);
            let start = at;
            at += read;
            let text = str::from_utf8(&record)
                .map_err(|_| format!("row {} is not UTF-8", offsets.len() + 1))?;
            if is_csv && columns.is_none() {
                columns = Some(columns_of(text)?);
            } else if text.trim().is_empty() {
                if offsets.is_empty() {
                    return Err("it begins with an empty line".to_owned());
                }
                // Only lines at the end may be empty.
                loop {
                    let rest = reader.fill_buf();
                    let rest = rest.map_err(|error| format!("cannot be read: {error}"))?;
                    if !rest.trim_ascii().is_empty() {
                        return Err(format!("row {} is empty", offsets.len() + 1));
                    }
                    let length = rest.len();
                    if length == 0 {
                        break;
                    }
                    digest.update(rest);
                    reader.consume(length);
                }
                at = start;
                break;
            } else {
                let expected = columns.as_ref().map(Vec::len);
                let is_short = expected.is_some_and(|it| fields(text).len() != it);
                if is_short {
                    let (row, has) = (offsets.len() + 1, fields(text).len());
                    let expected = expected.unwrap_or_default();
                    return Err(format!("row {row} has {has} columns and not {expected}"));
                }
                offsets.push(start);
                if offsets.len() as u64 > ROWS_MAX {
                    return Err(format!("it has more than {ROWS_MAX} rows"));
                }
            }
        }
        if offsets.is_empty() {
            return Err("it has no row".to_owned());
        }
        offsets.push(at);
        offsets.shrink_to_fit();
        let sha256 = hex(&digest.finalize());
        Ok(Self { name: name.to_owned(), file, offsets, columns, sha256, written })
    }

    fn add_row(
        &mut self,
        number: usize,
        sent: &BTreeSet<String>,
        values: &mut Values,
    ) -> Result<(), String> {
        let (start, end) = (self.offsets[number], self.offsets[number + 1]);
        let length = usize::try_from(end - start).unwrap_or_default();
        let mut record = vec![0; length];
        self.file
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.file.read_exact(&mut record))
            .map_err(|error| format!("cannot be read any more: {error}"))?;
        if !written(&self.file).is_ok_and(|it| it == self.written) {
            return Err("is of a file that was written again meanwhile".to_owned());
        }
        let text = str::from_utf8(&record).map_err(|_| "is not UTF-8 any more".to_owned())?;
        let mut add = |name: &str, value: String| {
            if value.len() > VALUE_MAX {
                return Err(format!("has a value of more than {VALUE_MAX} bytes"));
            }
            values.add(name, value);
            Ok(())
        };
        if let Some(columns) = &self.columns {
            let fields = fields(text);
            if fields.len() != columns.len() {
                return Err("has another number of columns than before".to_owned());
            }
            return columns.iter().zip(fields).try_for_each(|(name, value)| add(name, value));
        }
        let object: serde_json::Map<String, Value> =
            serde_json::from_str(text).map_err(|_| "is no JSON object".to_owned())?;
        for (name, value) in object {
            let value = match value {
                Value::String(text) => text,
                // Its digits as they are written, where they would be rounded.
                Value::Number(number) if number.is_f64() && sent.contains(&name) => {
                    let pointers = IgnoredPointers::new(&[format!("/{name}")]);
                    let places = values_of_json(text.as_bytes(), &pointers);
                    places
                        .last()
                        .map_or_else(|| number.to_string(), |it| text[it.clone()].to_owned())
                }
                Value::Number(number) => number.to_string(),
                Value::Bool(it) => it.to_string(),
                // A value that no request can carry may be there, as long as none uses it.
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            add(&name, value)?;
        }
        Ok(())
    }
}

/// Reads a line; of CSV with the lines that a quoted text in it goes on in. The bytes that were read.
fn read_record(
    reader: &mut impl BufRead,
    is_csv: bool,
    record: &mut Vec<u8>,
) -> Result<u64, String> {
    let mut open = false;
    loop {
        let before = record.len();
        let left = (ROW_MAX + 1).saturating_sub(before as u64);
        let read = reader.by_ref().take(left).read_until(b'\n', record);
        let read = read.map_err(|error| format!("cannot be read: {error}"))?;
        if record.len() as u64 > ROW_MAX {
            return Err(format!("is longer than {ROW_MAX} bytes"));
        }
        for byte in &record[before..] {
            open ^= is_csv && *byte == b'"';
        }
        if read == 0 || !open {
            return if open {
                Err("has a quotation mark that is never closed".to_owned())
            } else {
                Ok(record.len() as u64)
            };
        }
    }
}

fn columns_of(text: &str) -> Result<Vec<String>, String> {
    let columns = fields(text.trim_start_matches('\u{feff}'));
    for (number, name) in columns.iter().enumerate() {
        let shown = printable(name.as_bytes(), 80);
        if !is_name(name) {
            return Err(format!(
                "column `{shown}` of its first line is no name of letters, digits and `_`"
            ));
        }
        if columns[..number].contains(name) {
            return Err(format!("column `{shown}` is there twice"));
        }
    }
    Ok(columns)
}

/// The fields of a record of CSV (RFC 4180).
fn fields(record: &str) -> Vec<String> {
    let record = record.strip_suffix('\n').unwrap_or(record);
    let record = record.strip_suffix('\r').unwrap_or(record);
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = record.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                field.push('"');
                rest.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

/// The numbers below `count` in an order of this seed: the shuffle of Fisher and Yates, with the
/// generator of Steele, Lea and Flood (2014).
fn shuffled(count: u32, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    let mut state = seed;
    for last in (1..order.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let drawn = (mixed ^ (mixed >> 31)) % (last as u64 + 1);
        order.swap(last, usize::try_from(drawn).unwrap_or_default());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, seed: u64) -> RowsSpec {
        let name = name.to_owned();
        let is_csv = name.contains(".csv");
        let source = if is_csv { RowsSource::Csv(name) } else { RowsSource::JsonLines(name) };
        RowsSpec { source, seed }
    }

    /// All values of a file, of each row in its order.
    fn read(name: &str, content: &[u8], used: &str) -> Result<Vec<String>, String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(name), content).unwrap();
        let mut rows = Rows::open(&spec(name, 7), directory.path())?;
        rows.send(BTreeSet::from([used.to_owned()]));
        (0..rows.count())
            .map(|it| rows.values(it).map(|it| it.get(used).unwrap_or("-").to_owned()))
            .collect()
    }

    #[test]
    fn rows_of_both_formats_are_read_whole_and_in_the_order_of_the_seed() {
        let csv = "id,name\r\n1,\"a, \"\"b\"\"\nc\"\r\n2,\r\n3,x\n\n\n";
        let mut names = read("a.csv", csv.as_bytes(), "name").unwrap();
        let ids = read("a.csv", csv.as_bytes(), "id").unwrap();
        assert_eq!(ids, read("a.csv", csv.as_bytes(), "id").unwrap());
        names.sort();
        assert_eq!(names, ["", "a, \"b\"\nc", "x"]);
        let lines = "{\"id\":1,\"n\":null}\n{\"id\":\"two\"}\n{\"id\":true}";
        let mut ids = read("a.jsonl", lines.as_bytes(), "id").unwrap();
        ids.sort();
        assert_eq!(ids, ["1", "true", "two"]);
        let lines = "{\"id\":1,\"id\":12345678901234567890123}\n{\"id\": 1.50 }\n{\"id\":-0}";
        let mut ids = read("a.jsonl", lines.as_bytes(), "id").unwrap();
        ids.sort();
        assert_eq!(ids, ["-0", "1.50", "12345678901234567890123"]);
        let range = RowsSource::Range { name: "id".to_owned(), first: 5, last: 104 };
        let numbers = |seed| {
            let spec = RowsSpec { source: range.clone(), seed };
            let mut rows = Rows::open(&spec, Path::new(".")).unwrap();
            let ids = (0..101).map(|it| rows.values(it).unwrap().get("id").unwrap().to_owned());
            ids.collect::<Vec<String>>()
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
        assert_eq!(numbers(1)[0], numbers(1)[100]);
        let mut all: Vec<u64> = numbers(1)[..100].iter().map(|it| it.parse().unwrap()).collect();
        all.sort_unstable();
        assert_eq!(all, (5..105).collect::<Vec<u64>>());
    }

    #[test]
    fn a_file_that_is_written_again_is_refused_and_one_put_in_its_place_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        std::fs::write(&path, "id\n1\n2\n").unwrap();
        let opened = || Rows::open(&spec("a.csv", 7), directory.path()).unwrap();
        let mut kept = opened();
        std::fs::write(directory.path().join("new"), "id\n3\n4\n").unwrap();
        std::fs::rename(directory.path().join("new"), &path).unwrap();
        assert!(matches!(kept.values(0).unwrap().get("id"), Some("1" | "2")));
        let mut rows = opened();
        rows.values(0).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        std::io::Write::write_all(&mut &file, b"id\n5\n6\n").unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let problem = rows.values(1).unwrap_err();
        assert!(problem.contains("written again meanwhile"), "{problem}");
    }

    #[test]
    fn what_is_no_file_of_rows_has_a_sentence() {
        for (name, content, said) in [
            ("a.csv", &b""[..], "has no row"),
            ("a.csv", b"id\n", "has no row"),
            ("a.csv", b"id,name\n1,a\n2\n", "row 2 has 1 columns and not 2"),
            ("a.csv", b"id\n\xff\n", "not UTF-8"),
            ("a.csv", b"id,id\n1,2\n", "twice"),
            ("a.csv", b"i d\n1\n", "no name"),
            ("a.csv", b"id\n\"1\n", "never closed"),
            ("a.csv", b"id\n1\n\n2\n", "row 2 is empty"),
            ("a.jsonl", b"[1]\n", "no JSON object"),
            ("a.jsonl", b"\n{}\n", "empty line"),
        ] {
            let error = read(name, content, "id").unwrap_err();
            assert!(error.contains(said) && error.contains(name), "{error}");
        }
        let gap = [b"id\n1\n".as_slice(), &vec![b'\n'; 2 << 20], b"2\n"].concat();
        assert!(read("a.csv", &gap, "id").unwrap_err().contains("row 2 is empty"));
        assert_eq!(read("a.csv", &gap[..gap.len() - 2], "id").unwrap(), ["1"]);
        let long = [b"id\n".as_slice(), &vec![b'a'; VALUE_MAX + 1]].concat();
        assert!(read("a.csv", &long, "id").unwrap_err().contains("more than 8192 bytes"));
        let longer = [b"id\n".as_slice(), &vec![b'a'; 2 << 20]].concat();
        assert!(read("a.csv", &longer, "id").unwrap_err().contains("longer than"));
        let directory = tempfile::tempdir().unwrap();
        let error = Rows::open(&spec("none.csv", 1), directory.path()).unwrap_err();
        assert!(error.contains("none.csv") && error.contains("No such file"), "{error}");
        std::fs::create_dir(directory.path().join("d.csv")).unwrap();
        let error = Rows::open(&spec("d.csv", 1), directory.path()).unwrap_err();
        assert!(error.contains("and no file"), "{error}");
    }
}

//! What of a JSON body the contract ignores, and which value of a body is it.
//!
//! A pointer is one of RFC 6901. Beyond that, `*` means each element where it meets an array; where
//! it meets an object it is the key `*`. [`IgnoredPath`] follows a body only as deep as a pointer
//! reaches, so its size depends on the contract alone.

use super::json_string::quoted;

/// The JSON pointers of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IgnoredPointers {
    pointers: Vec<Vec<Segment>>,
}

/// A part of a pointer: what it means in an object, and what in an array.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    /// The key, as the form of a body has it.
    key: Vec<u8>,
    element: Element,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    None,
    Only(u64),
    Each,
}

impl IgnoredPointers {
    /// The pointers of a contract, which has checked their form.
    pub(crate) fn new(pointers: &[String]) -> Self {
        let segments = |pointer: &String| pointer.split('/').skip(1).map(Segment::new).collect();
        Self { pointers: pointers.iter().map(segments).collect() }
    }
}

impl IgnoredPointers {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.pointers.is_empty()
    }
}

impl Segment {
    fn new(written: &str) -> Self {
        let key = written.replace("~1", "/").replace("~0", "~");
        let canonical = key == "0" || !key.starts_with('0');
        let digits = canonical && key.bytes().all(|byte| byte.is_ascii_digit());
        let element = match key.parse() {
            _ if key == "*" => Element::Each,
            Ok(index) if digits => Element::Only(index),
            _ => Element::None,
        };
        Self { key: quoted(&key), element }
    }

    fn meets_element(&self, index: u64) -> bool {
        match self.element {
            Element::None => false,
            Element::Only(only) => only == index,
            Element::Each => true,
        }
    }
}

/// Where in a body a reader is, as far as a pointer reaches.
#[derive(Debug)]
pub(super) struct IgnoredPath<'a> {
    ignore: &'a IgnoredPointers,
    /// The open containers on the way of a pointer, outermost first.
    levels: Vec<Level>,
    met: Vec<bool>,
}

/// An open container that some pointers lead into.
#[derive(Debug)]
struct Level {
    /// The number of the element, in an array.
    element: Option<u64>,
    /// The pointers that lead into the container.
    inside: Vec<usize>,
    /// Those that lead to the member or element that is being read.
    here: Vec<usize>,
}

impl<'a> IgnoredPath<'a> {
    pub(super) fn new(ignore: &'a IgnoredPointers) -> Self {
        Self { ignore, levels: Vec::new(), met: vec![false; ignore.pointers.len()] }
    }

    /// Whether each pointer met a value.
    pub(super) fn met(self) -> Vec<bool> {
        self.met
    }

    /// Whether the value that begins below so many open containers is ignored.
    pub(super) fn is_ignored(&mut self, depth: usize) -> bool {
        let mut ignored = false;
        for number in self.leading_here(depth) {
            if self.ignore.pointers[number].len() == depth {
                self.met[number] = true;
                ignored = true;
            }
        }
        ignored
    }

    /// A container begins below so many others.
    pub(super) fn open(&mut self, depth: usize, array: bool) {
        let longer = |number: &usize| self.ignore.pointers[*number].len() > depth;
        let inside: Vec<usize> = self.leading_here(depth).into_iter().filter(longer).collect();
        if inside.is_empty() {
            return;
        }
        self.levels.push(Level { element: array.then_some(0), inside, here: Vec::new() });
        self.select_element(depth);
    }

    /// The innermost of so many open containers ends.
    pub(super) fn close(&mut self, depth: usize) {
        if self.levels.len() == depth {
            self.levels.pop();
        }
    }

    /// A member of this key begins in the innermost of so many open containers.
    pub(super) fn enter_member(&mut self, depth: usize, key: &[u8]) {
        if self.levels.len() == depth
            && let Some(level) = self.levels.last_mut()
        {
            let segment = |number: &usize| &self.ignore.pointers[*number][depth - 1];
            level.here.clear();
            level.here.extend(level.inside.iter().filter(|it| segment(it).key == key));
        }
    }

    /// A comma ends a member or element of the innermost of so many open containers.
    pub(super) fn next_element(&mut self, depth: usize) {
        if self.levels.len() == depth
            && let Some(Level { element: Some(element), .. }) = self.levels.last_mut()
        {
            *element += 1;
            self.select_element(depth - 1);
        }
    }

    fn select_element(&mut self, depth: usize) {
        if let Some(Level { element: Some(index), inside, here }) = self.levels.last_mut() {
            let segment = |number: &usize| &self.ignore.pointers[*number][depth];
            here.clear();
            here.extend(inside.iter().filter(|it| segment(it).meets_element(*index)));
        }
    }

    /// The pointers that lead to the value below so many open containers.
    fn leading_here(&self, depth: usize) -> Vec<usize> {
        match self.levels.last() {
            _ if self.levels.len() != depth => Vec::new(),
            None => (0..self.ignore.pointers.len()).collect(),
            Some(level) => level.here.clone(),
        }
    }
}

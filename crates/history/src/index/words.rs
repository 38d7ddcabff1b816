//! The words of an index, numbered in the order of their texts.
//!
//! The numbers of rows are in the order in which passports came, which must decide nothing.

use std::{collections::BTreeMap, sync::Arc};

/// All words, which are cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Words(Arc<Sorted>);

#[derive(Debug)]
struct Sorted {
    texts: Vec<String>,
    by_row: BTreeMap<i64, i64>,
}

impl Words {
    /// Of rows with their numbers.
    pub(super) fn new(mut rows: Vec<(i64, String)>) -> Self {
        rows.sort_by(|a, b| a.1.cmp(&b.1));
        let by_row = rows.iter().zip(1..).map(|((row, _), number)| (*row, number)).collect();
        let texts = rows.into_iter().map(|(_, text)| text).collect();
        Self(Arc::new(Sorted { texts, by_row }))
    }

    /// The number of the word of a row, from 1; 0 where there is no such row.
    pub(super) fn number(&self, row: i64) -> i64 {
        self.0.by_row.get(&row).copied().unwrap_or_default()
    }

    /// The word of a number.
    pub(super) fn text(&self, number: i64) -> Option<&str> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.0.texts.get(index).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_the_order_of_texts_whatever_came_first() {
        let words = Words::new(vec![(7, "b".to_owned()), (9, "a".to_owned())]);
        assert_eq!((words.number(7), words.number(9), words.number(1)), (2, 1, 0));
        assert_eq!((words.text(2), words.text(1)), (Some("b"), Some("a")));
        assert_eq!((words.text(0), words.text(3)), (None, None));
    }
}

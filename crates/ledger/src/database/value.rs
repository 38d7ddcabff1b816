//! Values that go into and come out of both databases: nothing, a 64-bit integer, or text.
//!
//! [`Value`] borrows; [`Columns`] reads the columns of one row where they lie. Nothing here copies
//! or converts text.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::{DatabaseError, DatabaseKind};

/// One value of a row or parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// SQL `NULL`.
    Null,
    /// A `BIGINT`.
    Integer(i64),
    /// A `TEXT`.
    Text(&'a str),
}

/// A statement of SQL with its parameters.
pub(crate) type SqlStatement<'a> = (&'a str, &'a [Value<'a>]);

/// The columns of one row, from 0.
pub(crate) trait Columns {
    /// The value of one column.
    fn value(&self, column: usize) -> Result<Value<'_>, DatabaseError>;

    /// The value of a column that is never null or negative.
    fn count(&self, column: usize) -> Result<u64, DatabaseError> {
        self.optional_count(column)?.ok_or(DatabaseError::Corrupt("null for a count"))
    }

    /// The value of a column that is never negative.
    fn optional_count(&self, column: usize) -> Result<Option<u64>, DatabaseError> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Integer(value) => u64::try_from(value)
                .map(Some)
                .map_err(|_| DatabaseError::Corrupt("a negative count")),
            Value::Text(_) => Err(DatabaseError::Corrupt("text for a count")),
        }
    }

    /// The text of a column that is never null.
    fn text(&self, column: usize) -> Result<&str, DatabaseError> {
        match self.value(column)? {
            Value::Text(text) => Ok(text),
            Value::Null | Value::Integer(_) => Err(DatabaseError::Corrupt("no text in a column")),
        }
    }
}

impl Columns for rusqlite::Row<'_> {
    fn value(&self, column: usize) -> Result<Value<'_>, DatabaseError> {
        use rusqlite::types::ValueRef;

        let failed = |source: Box<dyn Error + Send + Sync>| DatabaseError::Query {
            kind: DatabaseKind::Sqlite,
            source,
        };
        match self.get_ref(column).map_err(|error| failed(error.into()))? {
            ValueRef::Null => Ok(Value::Null),
            ValueRef::Integer(value) => Ok(Value::Integer(value)),
            ValueRef::Text(text) => {
                str::from_utf8(text).map(Value::Text).map_err(|error| failed(error.into()))
            }
            ValueRef::Real(_) | ValueRef::Blob(_) => {
                Err(DatabaseError::Corrupt("neither an integer nor text"))
            }
        }
    }
}

impl Columns for tokio_postgres::Row {
    fn value(&self, column: usize) -> Result<Value<'_>, DatabaseError> {
        self.try_get(column).map_err(|source| DatabaseError::Query {
            kind: DatabaseKind::Postgres,
            source: source.into(),
        })
    }
}

/// One row of rows that came as an array for each column.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArrayRow<'a> {
    /// The columns, each with the values of all rows.
    pub(super) columns: &'a [Vec<Value<'a>>],
    /// Which row, from 0.
    pub(super) index: usize,
}

impl Columns for ArrayRow<'_> {
    fn value(&self, column: usize) -> Result<Value<'_>, DatabaseError> {
        let value = self.columns.get(column).and_then(|values| values.get(self.index));
        value.copied().ok_or(DatabaseError::Corrupt("a row without one of its columns"))
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};

        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl<'a> FromSql<'a> for Value<'a> {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        if *kind == Type::INT8 {
            i64::from_sql(kind, raw).map(Self::Integer)
        } else {
            <&str>::from_sql(kind, raw).map(Self::Text)
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(kind: &Type) -> bool {
        <Self as ToSql>::accepts(kind)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(value) if *kind == Type::INT8 => ToSql::to_sql(value, kind, out),
            Self::Text(text) if *kind == Type::TEXT => ToSql::to_sql(text, kind, out),
            // Writing eight bytes where the server expects four would be read as other rows.
            Self::Integer(_) | Self::Text(_) => Err(format!("cannot store this as {kind}").into()),
        }
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::INT8 || *kind == Type::TEXT
    }

    to_sql_checked!();
}

//! Values that go into and come out of both databases: nothing, a 64-bit integer, or text.
//!
//! [`Value`] borrows; [`Columns`] reads the columns of one row where they lie. Nothing here copies
//! or converts text.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

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
        let failed = |source: tokio_postgres::Error| DatabaseError::Query {
            kind: DatabaseKind::Postgres,
            source: source.into(),
        };
        let kind = self.columns().get(column).map(tokio_postgres::Column::type_);
        let value = if kind == Some(&Type::INT8) {
            self.try_get::<_, Option<i64>>(column).map_err(failed)?.map(Value::Integer)
        } else {
            self.try_get::<_, Option<&str>>(column).map_err(failed)?.map(Value::Text)
        };
        Ok(value.unwrap_or(Value::Null))
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

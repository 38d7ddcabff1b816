//! What requests of all sorts are written with, in endpoints, setups and flows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HeaderTemplate;

/// How the bodies of two responses are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CompareBody {
    /// Byte by byte, as they crossed the wire.
    Bytes,
    /// As JSON: the order of keys, white space, escapes, and what is ignored do not count. What is no
    /// JSON is compared byte by byte.
    Json,
}

/// Where in a response a value is: one of the three keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CaptureDocument {
    /// A JSON pointer (RFC 6901) to a text, a number, `true` or `false` of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
    /// The name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The name of a cookie that the response sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
}

/// One part of a body of the type `multipart/form-data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PartDocument {
    /// The name of the field.
    pub name: String,
    /// Its text; or `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// A file relative to the contract, sent as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The name that the service is told of the file. None unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// Its media type. None unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// `rows`: a file of rows, or a range of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum RowsDocument {
    /// A file relative to the contract: `.csv` with a line of names, or `.jsonl` with an object a line.
    File(String),
    /// One name, and the first and the last number that it has: `{ id = "1..500" }`.
    Range(BTreeMap<String, String>),
}

/// Defines a table of a request: keys of its own, those that say what is sent, more of its own, and where there
/// are any those that say how responses are compared.
///
/// `#[serde(flatten)]` would say this in one line, but it switches `deny_unknown_fields` off.
macro_rules! request_table {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$before_meta:meta])* $before:ident: $before_type:ty,)* }
        sent { $($(#[$between_meta:meta])* $between:ident: $between_type:ty,)* }
        $(compared { $($(#[$after_meta:meta])* $after:ident: $after_type:ty,)* })?
    ) => {
        request_table!(@whole
            $(#[$doc])*
            $name {
                $($(#[$before_meta])* $before: $before_type,)*
                /// The HTTP method. Default `GET`.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                method: Option<String>,
                /// Request headers; `${NAME}` in a value stands for a variable, which is the only way to give
                /// a header whose name tells of a secret.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                headers: Option<BTreeMap<String, HeaderTemplate>>,
                /// The request body.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                body: Option<String>,
                /// Or a file relative to the contract, sent as it is.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                body_file: Option<String>,
                /// Or fields of a form.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                form: Option<BTreeMap<String, String>>,
                /// Or parts of the type `multipart/form-data`.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                multipart: Option<Vec<PartDocument>>,
                $($(#[$between_meta])* $between: $between_type,)*
                $(
                    /// JSON pointers (RFC 6901) of what legitimately differs between two responses; `*`
                    /// stands for each element of an array. Each must meet a value in some response.
                    #[serde(default, skip_serializing_if = "Option::is_none")]
                    ignore: Option<Vec<String>>,
                    /// How bodies are compared. Default `bytes`, and `json` where something is ignored.
                    #[serde(default, skip_serializing_if = "Option::is_none")]
                    compare_body: Option<CompareBody>,
                    /// Response headers that are compared; of `set-cookie` only the names of the cookies.
                    /// Default `location`, `cache-control`, `content-encoding` and `set-cookie`.
                    #[serde(default, skip_serializing_if = "Option::is_none")]
                    compare_headers: Option<Vec<String>>,
                    $($(#[$after_meta])* $after: $after_type,)*
                )?
            }
        );
    };
    (@whole $(#[$doc:meta])* $name:ident { $($(#[$meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$meta])* pub $field: $type,)*
        }
    };
}

pub(super) use request_table;

request_table!(
    /// A request that brings the service into the state which a check needs. It is not measured.
    SetupDocument {
        /// Path and query, starting with `/`.
        path: String,
    }
    sent {
        /// The expected status. Default 200.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Values of the response that later requests use as `{name}`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capture: Option<BTreeMap<String, CaptureDocument>>,
    }
);

//! `[[flow]]` as it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    BudgetsDocument, CaptureDocument, CompareBody, HeaderTemplate, NotNegative, PartDocument,
    RowsDocument, SetupDocument, ToleranceDocument, request_document::request_table,
};

/// `[[flow]]`: requests that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FlowDocument {
    /// A name, unique among flows, scenarios and endpoints.
    pub name: String,
    /// The state of the service, by the name of a fixture. Default `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixture: Option<String>,
    /// How fresh the service is. Default `check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<FlowState>,
    /// Rows whose values the runs use as `{name}`, one run a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsDocument>,
    /// Requests before the steps, which are not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<Vec<SetupDocument>>,
    /// The steps, in their order.
    pub step: Vec<StepDocument>,
    /// Requests after the steps, which are not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teardown: Option<Vec<SetupDocument>>,
    /// Marks the flow as slow, so that a test run can leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<bool>,
    /// How often users of a load take this flow, among the weights of all; 1 to 1e6. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Seconds that a user of a load waits after a run, at least and at most. No wait unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<[NotNegative; 2]>,
    /// What one run of all steps may cost; the contract's budget times the steps where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budgets: Option<BudgetsDocument>,
    /// Tolerances that differ from the contract's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<ToleranceDocument>,
}

/// How fresh the service of a flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FlowState {
    /// Each sample has a service of its own in process; setup and teardown are sent around each.
    Sample,
    /// Each check has; setup and teardown are sent once around its samples.
    Check,
    /// One service in process answers all checks of the fixture that share it; setup and teardown are as
    /// those of a check.
    Shared,
}

request_table!(
    /// `[[flow.step]]`: a request of a flow that is measured.
    StepDocument {
        /// A name, unique in the flow, and not `all`: lowercase letters, digits, `-`, `_` and `.`.
        name: String,
        /// Path and query; `{name}` stands for a value, which is encoded. A path that begins with one is
        /// that value, such as a captured `location`.
        path: String,
        /// The template by which a running service counts the request. Default the path without its query.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<String>,
    }
    sent {
        /// The expected status. Default 200.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// The expected media type; not checked unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
        /// Values of the response that later steps use as `{name}`. They may differ between two responses,
        /// wherever they come back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capture: Option<BTreeMap<String, CaptureDocument>>,
    }
    compared {
        /// What the step may cost, where that differs from the contract's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budgets: Option<BudgetsDocument>,
        /// Tolerances that differ from the flow's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tolerance: Option<ToleranceDocument>,
    }
);

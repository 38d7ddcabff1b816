//! The contract: what is measured, what it may cost, and what must be proved.
//!
//! [`Contract::parse`] turns the text of a `passport.toml` into a [`Contract`] in which every
//! default, override and reference is worked out, so that no later stage looks a threshold up
//! anywhere else. This module reads no file and no environment.

mod body;
mod budgets;
mod budgets_document;
mod capture;
mod claim_kind;
mod compared;
mod document;
mod error;
mod flow;
mod flow_document;
mod history;
mod limits;
mod name;
mod number;
mod objective;
mod objectives;
mod operation;
mod path;
mod outline;
mod placeholder;
mod quantile;
mod renamed;
mod request;
mod request_document;
mod resolve;
mod resolved;
mod rows;
mod selection;
mod service;
mod service_document;
mod subject;
mod template;
mod unit;

pub use body::{BodySpec, PartContent, PartSpec};
pub use budgets_document::{BudgetsDocument, ToleranceDocument};
pub use capture::{CaptureSource, CaptureSpec};
pub use claim_kind::{ClaimKind, Direction};
pub use document::{
    ContractDocument, EndpointDocument, FixtureDocument, Fresh, ReadyDocument, SCHEMA_VERSION,
    SamplingDocument, ScenarioDocument, TargetDocument, VariantDocument,
};
pub use error::{ContractError, Step};
pub use flow_document::{FlowDocument, FlowState, StepDocument};
pub use history::{COMMITS_PER_FALSE_NOMINATION, HistoryDocument};
pub use number::{NotNegative, Percentage, Positive};
pub use objective::{Objective, ObservedRoute};
pub use operation::{
    Complexity, Operation, OperationBudgets, OperationBudgetsDocument, OperationDocument,
    OperationTolerance, OperationToleranceDocument, TimePart, quality_ppm,
};
pub use outline::{ContractOutline, OutlinedEndpoint, OutlinedOperation};
pub(crate) use path::{base_url_problem, path_problem};
pub(crate) use placeholder::{Piece, is_name, pieces};
pub use quantile::Quantile;
pub(crate) use renamed::in_document as renamed_key;
pub use request_document::{
    CaptureDocument, CompareBody, PartDocument, RowsDocument, SetupDocument,
};
pub(crate) use resolve::SECONDS_OF_CHECK;
pub use resolved::{
    Budgets, Check, Contract, Flow, FlowFrame, LatencyBudget, RequestSpec, Sampling, ServiceLife,
    Tolerance, WrittenBudgets,
};
pub(crate) use rows::ROWS_MAX;
pub use rows::{RowsSource, RowsSpec};
pub use selection::{CheckSelection, SelectionError};
pub use service::{LabelMatcher, WatchedService};
pub use service_document::{ObjectiveDocument, ServiceDocument};
pub use subject::SubjectId;
pub(crate) use template::next_variable;
pub use template::{HeaderTemplate, SecretValue};
pub use unit::Unit;

impl Contract {
    /// Parses and resolves the text of a contract.
    ///
    /// ```
    /// let contract = perf_passport::contract::Contract::parse(
    ///     r#"
    ///     schema_version = 1
    ///     name = "orders"
    ///     [target]
    ///     url = "http://127.0.0.1:8000"
    ///     [[endpoint]]
    ///     name = "health"
    ///     path = "/health"
    ///     "#,
    /// )?;
    /// assert_eq!(contract.checks[0].id(), "health/default");
    /// # Ok::<(), perf_passport::contract::ContractError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ContractError`] with the line where the text is not TOML, has a key that is not known, a
    /// value out of range, a name twice, or a reference to nothing.
    pub fn parse(text: &str) -> Result<Self, ContractError> {
        let document = toml::from_str(text).map_err(|source| match renamed::in_text(text) {
            Some(problem) => problem.locate(text),
            None => ContractError::syntax(text, &source),
        })?;
        resolve::resolve(document).map_err(|problem| problem.locate(text))
    }

    /// Resolves a contract that was read from a passport.
    ///
    /// # Errors
    ///
    /// As [`Contract::parse`], without a line.
    pub fn from_document(document: ContractDocument) -> Result<Self, ContractError> {
        resolve::resolve(document)
    }

    /// The same contract with another tolerance for latency, peak heap, and instructions where they
    /// have none of their own, in percent, for every check; and for the time of every operation.
    ///
    /// # Errors
    ///
    /// What is wrong with the percentage.
    pub fn with_regression_percent(&self, percent: f64) -> Result<Self, String> {
        let percent = NotNegative::try_from(percent)?;
        let mut document = self.document.clone();
        document.set_regression_percent(percent);
        let contract = Self::from_document(document).map_err(|error| error.to_string())?;
        Ok(contract.in_directory(&self.directory))
    }
}

//! A comparison on trial: how often it is wrong, and what it finds, on the machine at hand.
//!
//! [`CalibrationRequest::begin`] builds the working tree again and again; [`run_trial`] has a comparison
//! decide on such builds of which the answer is known: the same code built anew, with no work added or with a known share of it. What was decided becomes a
//! [`Calibration`], to which later runs add. [`tally`] counts; [`report`] tells.

mod busy;
mod calibration;
mod report;
mod request;
mod tally;
mod trial;

pub use calibration::{Arm, Calibration, CheckDecision, SCHEMA_VERSION, Trial};
pub use report::report;
pub use request::{CalibrationError, CalibrationRequest, CalibrationRun};
pub use tally::{Contradictions, SHARE_ERROR, ShareBounds, Tally, contradictions, tally};
pub use trial::{CalibrationBuilds, RebuiltSide, TrialSetting, run_trial};

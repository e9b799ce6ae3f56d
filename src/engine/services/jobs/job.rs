//! The stored form of an asynchronous operation and of its outcome.

use zeroize::Zeroizing;

use super::super::super::error::failed;
use super::super::stored;
use super::JobOutcome;
use crate::kmip::enums::{Operation, ProcessingStage, ResultReason, ResultStatus};
use crate::kmip::{Error, Principal, structure};
use crate::secret::Secret;
use crate::store::Entry;
use crate::ttlv::DateTime;

structure! {
    /// An asynchronous operation.
    pub struct Job {
        Username => user: String,
        DeviceIdentifier => credential: Option<String>,
        Operation => operation: Operation,
        /// The time of the request.
        SubmissionDate => submitted: DateTime,
        ProcessingStage => stage: ProcessingStage,
        /// The result of a completed operation, or `None` if its client canceled it.
        ResultStatus => status: Option<ResultStatus>,
        /// Whether the client sent Process: the next Poll waits for the end of the operation.
        CriticalityIndicator => is_expedited: bool,
    }
}

impl Job {
    /// Creates an operation of `owner` that has not begun.
    pub(super) fn new(owner: &Principal, operation: Operation, submitted: DateTime) -> Self {
        let Principal { user, credential } = owner.clone();
        let stage = ProcessingStage::Submitted;
        Self { user, credential, operation, submitted, stage, status: None, is_expedited: false }
    }

    /// Reads an operation.
    pub(super) fn read(entry: &Entry) -> Result<Self, Error> {
        stored::decode(&entry.value)
    }

    pub(super) fn owner(&self) -> Principal {
        Principal { user: self.user.clone(), credential: self.credential.clone() }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.stage != ProcessingStage::Completed
    }

    pub(super) fn is_canceled(&self) -> bool {
        !self.is_pending() && self.status.is_none()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.status == Some(ResultStatus::OperationFailed)
    }
}

structure! {
    /// The outcome of an operation.
    pub struct StoredOutcome {
        ResultStatus => status: ResultStatus,
        Data => payload: Option<Secret>,
        BatchItem => error: Option<Error>,
    }
}

impl JobOutcome {
    pub(super) fn status(&self) -> ResultStatus {
        match self {
            Self::Done(_) => ResultStatus::Success,
            Self::Undone(_) => ResultStatus::OperationUndone,
            Self::Failed(_) => ResultStatus::OperationFailed,
        }
    }

    pub(super) fn encode(&self) -> Secret {
        let (payload, error) = match self {
            Self::Done(bytes) | Self::Undone(bytes) => (Some(Secret::new(bytes.to_vec())), None),
            Self::Failed(error) => (None, Some(error.clone())),
        };
        stored::encode(&StoredOutcome { status: self.status(), payload, error })
    }

    pub(super) fn decode(bytes: &Secret) -> Result<Self, Error> {
        let StoredOutcome { status, payload, error } = stored::decode(bytes)?;
        let payload = || Zeroizing::new(payload.map(|bytes| bytes.expose().to_vec()).unwrap_or_default());
        Ok(match (status, error) {
            (ResultStatus::Success, None) => Self::Done(payload()),
            (ResultStatus::OperationUndone, None) => Self::Undone(payload()),
            (_, error) => Self::Failed(error.unwrap_or_else(|| {
                failed(ResultReason::GeneralFailure, "The operation did not come to an end.")
            })),
        })
    }
}

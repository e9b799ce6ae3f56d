//! Query Asynchronous Requests (KMIP 2.1 §6.1.41): lists the requester's asynchronous operations
//! that are unfinished or whose result was not polled.

use crate::engine::Context;
use crate::engine::services::jobs;
use crate::kmip::enums::ProcessingStage;
use crate::kmip::{Error, enums, structure};
use crate::ttlv::DateTimeExtended;

use super::Operation;

structure! {
    /// Request Payload; an omitted item requests all.
    pub struct Request {
        AsynchronousCorrelationValues => asynchronous_correlation_values: Option<Values>,
        Operations => operations: Option<Operations>,
    }
}

structure! {
    /// Asynchronous Correlation Values (2.1 §7.1).
    pub struct Values {
        AsynchronousCorrelationValue => values: Vec<Vec<u8>>,
    }
}

structure! {
    /// Operations.
    pub struct Operations {
        Operation => operations: Vec<enums::Operation>,
    }
}

structure! {
    /// Response Payload.
    pub struct Response {
        AsynchronousRequest => asynchronous_requests: Vec<AsynchronousRequest>,
    }
}

structure! {
    /// Asynchronous Request (2.1 §7.2).
    pub struct AsynchronousRequest {
        AsynchronousCorrelationValue => asynchronous_correlation_value: Vec<u8>,
        Operation => operation: enums::Operation,
        SubmissionDate => submission_date: DateTimeExtended,
        ProcessingStage => processing_stage: ProcessingStage,
    }
}

pub(super) struct QueryAsynchronousRequests;

impl Operation for QueryAsynchronousRequests {
    const CODE: enums::Operation = enums::Operation::QueryAsynchronousRequests;
    type Request = Request;
    type Response = Response;

    fn execute(cx: &mut Context<'_>, request: Request) -> Result<Response, Error> {
        let wanted = |job: &jobs::Request| {
            let values = request.asynchronous_correlation_values.as_ref();
            let operations = request.operations.as_ref();
            values.is_none_or(|wanted| wanted.values.contains(&job.correlation))
                && operations.is_none_or(|wanted| wanted.operations.contains(&job.operation))
        };
        let jobs = cx.services.jobs.of_user(&cx.identity.principal, cx.instant())?;
        let jobs = jobs.into_iter().filter(wanted);
        let requests = jobs.map(|job| AsynchronousRequest {
            asynchronous_correlation_value: job.correlation,
            operation: job.operation,
            submission_date: DateTimeExtended::from(job.submitted),
            processing_stage: job.stage,
        });
        Ok(Response { asynchronous_requests: requests.collect() })
    }
}

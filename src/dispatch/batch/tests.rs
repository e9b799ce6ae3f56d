//! Tests of batches: Stop, Continue, Undo, critical extensions, and the bound of a response.

use super::BatchErrorContinuationOption::{Continue, Stop, Undo};
use super::*;
use crate::policy::{Policies, PolicyStore};
use crate::store::Memory;
use crate::ttlv::V1_4;

/// An operation that succeeds or fails.
#[derive(Clone)]
struct Probe {
    fails: bool,
}

impl Prepared for Probe {
    fn execute(self: Box<Self>, _: &mut Context<'_>) -> Result<Reply, Error> {
        if self.fails {
            return Err(Error::new(ResultReason::ItemNotFound, "the probe fails"));
        }
        Ok(Reply::Done(Box::new(|writer| writer.structure(Tag::ResponsePayload, |_| ()))))
    }

    fn duplicate(&self) -> Box<dyn Prepared> {
        Box::new(self.clone())
    }
}

fn item(work: Work<'static>) -> Item<'static> {
    Item { operation: Operation::Get, id: None, work, correlation: None, requested: None }
}

fn probe(fails: bool) -> Item<'static> {
    item(Work::Execute(Box::new(Probe { fails })))
}

fn statuses(items: Vec<Item<'_>>, option: BatchErrorContinuationOption) -> Vec<&'static str> {
    let services = Services::new(std::sync::Arc::new(Memory::new()), PolicyStore::fixed(Policies::builtin()));
    let john = Identity { principal: "john".into(), groups: None, delegate: None };
    let results = process(&services, &john, V1_4, items, option, &mut Reservation::unlimited());
    let status = |result: &ItemResult| match result.outcome {
        ItemOutcome::Done(_) => "done",
        ItemOutcome::Failed(_) => "failed",
        ItemOutcome::Undone(_) => "undone",
        ItemOutcome::Pending(_) => "pending",
    };
    results.iter().map(status).collect()
}

#[test]
fn failure_stops_continues_or_undoes_the_batch() {
    let batch = || vec![probe(false), probe(true), probe(false)];
    assert_eq!(statuses(batch(), Stop), ["done", "failed"]);
    assert_eq!(statuses(batch(), Continue), ["done", "failed", "done"]);
    assert_eq!(statuses(batch(), Undo), ["undone", "failed"]);
    assert_eq!(statuses(vec![probe(false), probe(false)], Undo), ["done", "done"]);
}

#[test]
fn critical_extension_rejects_the_whole_batch() {
    let batch = vec![probe(false), item(Work::CriticalExtension)];
    assert_eq!(statuses(batch, Continue), ["failed"]);
}

#[test]
fn result_past_the_response_limit_becomes_a_failure() {
    let mut result = ItemResult {
        operation: Operation::Get,
        id: None,
        objects: Vec::new(),
        outcome: ItemOutcome::Done(Box::new(|writer| writer.structure(Tag::ResponsePayload, |_| ()))),
        transactions: 0..0,
        duration: Duration::ZERO,
    };
    let mut room = 8;
    let memory = &mut Reservation::unlimited();
    result.encode_within(&mut room, memory, V1_4);
    assert_eq!((result.has_failed(), room, memory.bytes()), (false, 0, 16));
    result.encode_within(&mut room, memory, V1_4);
    assert!(result.has_failed());
}

use stripe402_protocol::{
    ClientId, Currency, Units,
    message::{DeductionOutcome, VoidOutcome},
};

use super::*;

fn id(number: u8) -> DeductionId {
    DeductionId::mint(u64::from(number), [number; 10])
}

fn client() -> ClientId {
    ClientId::derive(b"secret", "a")
}

fn deduction(number: u8) -> Deduction {
    Deduction {
        id: id(number),
        client_id: client(),
        currency: Currency::USD,
        amount: Units::from_u32(1),
        route: String::new(),
        hold: None,
    }
}

fn void(number: u8) -> Void {
    Void { id: id(number), client_id: Some(client()) }
}

fn queue(batch: usize, waiting: usize) -> Queue {
    Queue::new(SizeLimits { batch, queue: waiting, void_queue: waiting, ..SizeLimits::default() })
}

fn waits(queue: &mut Queue, stream: StreamId, number: u8) -> bool {
    let queued = queue.deduction(stream, Source::ANY, 0, deduction(number), Traced::default());
    queued == Queued::Waits
}

fn ids(batch: &Batch) -> (Vec<DeductionId>, Vec<DeductionId>) {
    let deductions = batch.deductions.iter().map(|deduction| deduction.id).collect();
    (deductions, batch.voids.iter().map(|void| void.id).collect())
}

fn answer(batch: &Batch) -> BatchAnswer {
    BatchAnswer {
        deductions: batch
            .deductions
            .iter()
            .map(|deduction| (deduction.id, DeductionOutcome::Deducted(Units::ZERO)))
            .collect(),
        voids: batch.voids.iter().map(|void| (void.id, VoidOutcome::Voided)).collect(),
        captures: vec![],
    }
}

#[test]
fn a_lone_charge_leaves_at_once_and_later_ones_leave_together() {
    let mut queue = queue(10, 10);
    assert!(waits(&mut queue, 1, 1));
    let (first, sent) = queue.next_batch().unwrap();
    assert!(waits(&mut queue, 2, 2) && waits(&mut queue, 3, 3));
    assert!(queue.next_batch().is_none(), "one is under way");
    let outcomes = queue.answered(sent, Ok(answer(&first)));
    assert_eq!(outcomes[0].outcome, Ok(DeductionOutcome::Deducted(Units::ZERO)));
    assert_eq!(ids(&queue.next_batch().unwrap().0), (vec![id(2), id(3)], vec![]));
}

#[test]
fn a_full_batch_waits_for_nobody_but_two() {
    let mut queue = queue(2, 10);
    assert!(waits(&mut queue, 1, 1));
    assert!(queue.next_batch().is_some());
    assert!(waits(&mut queue, 2, 2));
    assert!(!queue.may_leave());
    assert!(waits(&mut queue, 3, 3));
    assert_eq!(ids(&queue.next_batch().unwrap().0), (vec![id(2), id(3)], vec![]));
    for number in 4..8 {
        assert!(waits(&mut queue, number.into(), number));
    }
    assert!(!queue.may_leave(), "two are under way");
}

#[test]
fn a_batch_that_takes_long_holds_nobody_back() {
    let mut queue = queue(10, 10);
    assert!(waits(&mut queue, 1, 1));
    let (first, sent) = queue.next_batch().unwrap();
    assert!(waits(&mut queue, 2, 2));
    queue.on_pulse();
    assert!(!queue.may_leave(), "it may have left just now");
    queue.on_pulse();
    let (second, _) = queue.next_batch().unwrap();
    assert_eq!(ids(&second), (vec![id(2)], vec![]));
    assert!(waits(&mut queue, 3, 3));
    assert!(!queue.may_leave(), "two are under way");
    queue.answered(sent, Ok(answer(&first)));
    assert!(!queue.may_leave(), "patience begins anew");
}

#[test]
fn a_full_queue_takes_no_more() {
    let mut queue = queue(10, 1);
    assert!(waits(&mut queue, 1, 1));
    assert!(!waits(&mut queue, 2, 2));
    queue.void(void(3));
    queue.void(void(4));
    assert_eq!(queue.take_lost_voids(), [void(3)]);
    assert_eq!(ids(&queue.next_batch().unwrap().0), (vec![id(1)], vec![id(4)]));
}

#[test]
fn neither_voids_nor_charges_starve() {
    let mut queue = queue(4, 100);
    for number in 0..10 {
        assert!(waits(&mut queue, u32::from(number), number));
        queue.void(void(100 + number));
    }
    let (deductions, voids) = ids(&queue.next_batch().unwrap().0);
    assert_eq!((deductions.len(), voids.len()), (2, 2));
}

#[test]
fn an_unusable_answer_voids_every_charge_and_keeps_every_void() {
    for wrong in ["none", "shorter", "swapped"] {
        let mut queue = queue(10, 10);
        queue.void(void(9));
        assert!(waits(&mut queue, 1, 1) && waits(&mut queue, 2, 2));
        let (batch, sent) = queue.next_batch().unwrap();
        let mut reply = answer(&batch);
        match wrong {
            "shorter" => drop(reply.deductions.pop()),
            "swapped" => reply.deductions.swap(0, 1),
            _ => {}
        }
        let trouble =
            if wrong == "none" { LedgerError::Unreachable } else { LedgerError::InvalidResponse };
        let reply = if wrong == "none" { Err(trouble) } else { Ok(reply) };
        let outcomes = queue.answered(sent, reply);
        assert!(outcomes.iter().all(|outcome| outcome.outcome == Err(trouble)), "{wrong}");
        let voids = ids(&queue.next_batch().unwrap().0).1;
        assert_eq!(voids, [id(9), id(1), id(2)], "{wrong}");
    }
}

#[test]
fn a_stream_that_ends_while_waiting_costs_nothing() {
    let mut queue = queue(10, 10);
    assert!(waits(&mut queue, 1, 1));
    assert!(queue.withdraw(1));
    assert!(queue.next_batch().is_none());
    assert!(!queue.withdraw(1));
}

/// What a capture sets free is for the requests that leave its lease, however often the message is lost.
#[test]
fn what_leaves_a_lease_stays_together_and_in_front() {
    let mut queue = queue(4, 100);
    let capture = Capture { id: id(50), client_id: client(), amount: Units::ZERO, count: 0 };
    queue.handed(Handed { capture, deductions: (10..20).map(deduction).collect() });
    for (round, unsent) in [false, true, false].into_iter().enumerate() {
        let number = u8::try_from(round).unwrap();
        assert!(waits(&mut queue, round.try_into().unwrap(), number));
        let (batch, sent) = queue.next_batch().unwrap();
        assert_eq!(batch.captures, [capture], "round {round}");
        let all: Vec<_> = (10..20).chain([number]).map(id).collect();
        assert_eq!(ids(&batch).0, all, "round {round}");
        if unsent {
            queue.unsent(sent, LedgerError::Unreachable);
        } else {
            queue.answered(sent, Err(LedgerError::Unreachable));
        }
    }
}

#[test]
fn captures_that_are_lost_are_named() {
    let mut queue = queue(10, 1);
    for number in [1, 2] {
        queue.capture(Capture {
            id: id(number),
            client_id: client(),
            amount: Units::ZERO,
            count: 0,
        });
    }
    assert_eq!(queue.take_lost_captures(), [id(1)]);
    assert_eq!(queue.take_lost_captures(), []);
}

use super::*;

const BOUNDS: Bounds = Bounds { total: 20, reserve: 4, over_tcp: 10, per_address: 8, handshakes: 3 };

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn admit(table: &mut Table, last: u8, phase: Phase, due: u64) -> Option<Admitted> {
    table.admit(Some(address(last)), Listener::Http, Mark::new(phase, due), None)
}

/// Adds connections, each younger than the one before, and returns them.
fn fill(table: &mut Table, last: u8, phase: Phase, count: u64) -> Vec<Arc<Entry>> {
    (0..count).map(|due| admit(table, last, phase, due + 100).expect("there is room").entry).collect()
}

fn displaced(admitted: Option<Admitted>) -> Vec<Option<IpAddr>> {
    admitted.expect("it has a claim").displaced.iter().map(|entry| entry.client).collect()
}

#[test]
fn a_packed_mark_can_be_unpacked() {
    for phase in PHASES {
        for due in [0, 1, 75_000, NEVER] {
            let mark = Mark::new(phase, due);
            assert_eq!(Mark::unpack(mark.pack()), mark);
        }
        assert_eq!(Mark::unpack(Mark::new(phase, u64::MAX).pack()), Mark::new(phase, NEVER));
    }
}

#[test]
fn an_address_has_a_bound_and_replaces_its_own_idle_connections() {
    let mut table = Table::new(BOUNDS);
    let busy = fill(&mut table, 1, Phase::Busy, 8);
    assert!(admit(&mut table, 1, Phase::Head, 0).is_none());
    assert_eq!(displaced(admit(&mut table, 2, Phase::Head, 0)), []);
    busy[3].set(Mark::new(Phase::Idle, 9));
    busy[5].set(Mark::new(Phase::Idle, 5));
    let next = admit(&mut table, 1, Phase::Head, 0).unwrap();
    assert_eq!(next.displaced[0].id, busy[5].id, "the one that has been idle longest");
    assert_eq!(table.open_of(Some(address(1))), 8);
    for entry in &busy {
        table.remove(entry);
        table.remove(entry);
    }
    table.remove(&next.entry);
    assert_eq!(table.open_of(Some(address(1))), 0);
    assert_eq!(table.open, 1);
}

#[test]
fn the_last_places_are_for_addresses_with_few() {
    let mut table = Table::new(BOUNDS);
    fill(&mut table, 1, Phase::Busy, 8);
    fill(&mut table, 2, Phase::Busy, 8);
    assert!(admit(&mut table, 1, Phase::Head, 0).is_none());
    fill(&mut table, 3, Phase::Busy, 3);
    assert_eq!(displaced(admit(&mut table, 4, Phase::Busy, 0)), []);
    assert!(admit(&mut table, 5, Phase::Head, 0).is_none(), "every connection is being served");
}

#[test]
fn when_it_is_full_the_client_with_most_makes_room() {
    let mut table = Table::new(BOUNDS);
    let first = fill(&mut table, 1, Phase::Idle, 8);
    fill(&mut table, 2, Phase::Idle, 7);
    fill(&mut table, 3, Phase::Idle, 1);
    fill(&mut table, 4, Phase::Busy, 3);
    fill(&mut table, 5, Phase::Idle, 1);
    assert_eq!(table.open, 20);
    let next = admit(&mut table, 6, Phase::Head, 0).unwrap();
    assert_eq!(next.displaced[0].id, first[0].id);
    // The client with most connections gives up one of its own.
    assert_eq!(displaced(admit(&mut table, 2, Phase::Head, 0)), [Some(address(2))]);
    assert_eq!(table.open, 20);
}

#[test]
fn without_idle_ones_the_youngest_waiting_one_goes_but_not_for_a_client_with_as_many() {
    let mut table = Table::new(BOUNDS);
    let first = fill(&mut table, 1, Phase::Head, 8);
    fill(&mut table, 2, Phase::Busy, 8);
    fill(&mut table, 3, Phase::Head, 3);
    fill(&mut table, 4, Phase::Head, 1);
    assert!(admit(&mut table, 1, Phase::Head, 0).is_none());
    let next = admit(&mut table, 5, Phase::Head, 0).unwrap();
    assert_eq!(next.displaced[0].id, first[7].id);
    for entry in &first[..6] {
        entry.set(Mark::new(Phase::Busy, NEVER));
    }
    assert_eq!(displaced(admit(&mut table, 6, Phase::Head, 0)), [Some(address(1))]);
    // Its others are being served, and so are the second client's.
    assert_eq!(displaced(admit(&mut table, 7, Phase::Head, 0)), [Some(address(3))]);
    assert_eq!(displaced(admit(&mut table, 8, Phase::Head, 0)), [Some(address(3))]);
    assert!(admit(&mut table, 9, Phase::Head, 0).is_some(), "from the last client with more");
}

#[test]
fn a_live_session_keeps_its_place_and_has_no_deadline() {
    let mut table = Table::new(BOUNDS);
    let live = fill(&mut table, 1, Phase::Busy, 8);
    for entry in &live {
        table.becomes_live(entry);
        table.becomes_live(entry);
    }
    assert_eq!(table.open_of(Some(address(1))), 8);
    assert!(table.clients[&Some(address(1))].entries.is_empty());
    assert!(table.overdue(NEVER - 1, 0).closed.is_empty());
    assert_eq!(table.live(), 8);
    assert!(!table.has_deadlines());
    let next = admit(&mut table, 2, Phase::Head, 0).unwrap();
    assert!(table.has_deadlines());
    table.remove(&next.entry);
    assert!(!table.has_deadlines());
    table.remove(&live[0]);
    table.remove(&live[0]);
    assert_eq!(table.live(), 7);
    assert_eq!((table.open_of(Some(address(1))), table.open), (7, 7));
}

#[test]
fn overdue_connections_are_closed_and_a_late_head_is_answered_first() {
    let mut table = Table::new(BOUNDS);
    let entries = fill(&mut table, 1, Phase::Idle, 3);
    let head = admit(&mut table, 1, Phase::Head, 101).unwrap().entry;
    let over_tcp =
        table.admit(Some(address(1)), Listener::Tcp, Mark::new(Phase::Prompt, NEVER), None).unwrap().entry;
    let overdue = table.overdue(101, 50);
    assert_eq!(
        overdue.closed.iter().map(|entry| entry.id).collect::<Vec<_>>(),
        [entries[0].id, entries[1].id]
    );
    assert_eq!(overdue.late[0].id, head.id);
    assert_eq!(head.mark(), Mark::new(Phase::Late, 151));
    assert_eq!(table.overdue(151, 50).closed.len(), 2, "the last idle one and the late one");
    assert_eq!(table.open, 1);
    table.remove(&over_tcp);
    assert_eq!((table.open, table.over_tcp, table.clients.len()), (0, 0, 0));
}

#[test]
fn the_tcp_listener_has_a_bound_of_its_own_within_the_total() {
    let mut table = Table::new(BOUNDS);
    let prompt = Mark::new(Phase::Prompt, NEVER);
    let over_tcp = |table: &mut Table, last| table.admit(Some(address(last)), Listener::Tcp, prompt, None);
    for last in [1, 1, 1, 1, 1, 1, 2, 2, 2, 2] {
        assert!(over_tcp(&mut table, last).unwrap().displaced.is_empty());
    }
    fill(&mut table, 3, Phase::Idle, 6);
    assert!(over_tcp(&mut table, 1).is_none());
    let youngest = over_tcp(&mut table, 4).unwrap();
    assert_eq!(
        youngest.displaced[0].client,
        Some(address(1)),
        "an idle connection at the other listener does not help"
    );
}

#[test]
fn the_oldest_handshake_of_an_address_makes_room_for_its_next() {
    let mut table = Table::new(BOUNDS);
    let shaking = fill(&mut table, 1, Phase::Handshake, 3);
    assert_eq!(displaced(admit(&mut table, 2, Phase::Handshake, 9)), []);
    table.secured(&shaking[0], Mark::new(Phase::Head, 9));
    let fourth = admit(&mut table, 1, Phase::Handshake, 9).unwrap();
    assert!(fourth.displaced.is_empty());
    let fifth = admit(&mut table, 1, Phase::Handshake, 9).unwrap();
    assert_eq!(fifth.displaced[0].id, shaking[1].id);
    // It is gone already, which its own thread notices only later.
    table.secured(&shaking[1], Mark::new(Phase::Head, 9));
    assert_eq!(table.clients[&Some(address(1))].handshakes, 3);
    assert_eq!(table.overdue(200, 0).closed.len(), 4);
    assert_eq!(table.open, 1);
}

#[test]
fn trusted_proxies_do_not_count_as_one_client_and_go_last() {
    let mut table = Table::new(BOUNDS);
    for due in 0..17 {
        let idle = Mark::new(Phase::Idle, due);
        assert!(table.admit(None, Listener::Http, idle, None).unwrap().displaced.is_empty());
    }
    fill(&mut table, 1, Phase::Idle, 3);
    assert_eq!(
        displaced(table.admit(None, Listener::Http, Mark::new(Phase::Busy, NEVER), None)),
        [Some(address(1))]
    );
    for _ in 0..2 {
        assert_eq!(displaced(admit(&mut table, 2, Phase::Busy, NEVER)), [Some(address(1))]);
    }
    assert_eq!(displaced(admit(&mut table, 3, Phase::Busy, NEVER)), [None]);
}

use proptest::prelude::*;

use super::*;

type Queue = FairQueue<u8, u32>;

fn queued(pushed: &Pushed<u32>) -> u64 {
    match pushed {
        Pushed::Queued(id, None) => *id,
        other => panic!("{other:?}"),
    }
}

fn account(number: u32) -> UserId {
    UserId(uuid::Uuid::from_u128(number.into()))
}

/// Pushes work, from a known device of this account if the rank says so.
fn push(queue: &mut Queue, client: u8, rank: Rank, number: u32, work: u32) -> Pushed<u32> {
    match rank {
        Rank::Known => queue.push_known(client, account(number), work),
        rank => queue.push(client, rank, work),
    }
}

/// How much is queued in the rank.
fn waiting(queue: &Queue, rank: Rank) -> usize {
    queue.rank(rank).waiting.values().map(VecDeque::len).sum()
}

fn order(queue: &mut Queue) -> Vec<u32> {
    std::iter::from_fn(|| queue.pop()).map(|next| next.work).collect()
}

#[test]
fn clients_take_turns_and_the_work_of_each_keeps_its_order() {
    let mut queue = Queue::new(100, 0);
    for work in [10, 11, 12, 13] {
        queued(&queue.push(1, Rank::SignIn, work));
    }
    queued(&queue.push(2, Rank::SignIn, 20));
    queued(&queue.push(3, Rank::SignIn, 30));
    queued(&queue.push(3, Rank::SignIn, 31));
    assert_eq!(order(&mut queue), [10, 20, 30, 11, 31, 12, 13]);
    assert_eq!(queue.len(), 0);
}

#[test]
fn urgent_work_goes_first_and_none_waits_for_ever() {
    let mut queue = Queue::new(100, 0);
    for work in 0..30 {
        queued(&queue.push(1, Rank::SignIn, work));
    }
    queued(&queue.push(2, Rank::Rating, 103));
    queued(&queue.push(2, Rank::Registration, 102));
    queued(&queue.push(2, Rank::Owner, 101));
    let order = order(&mut queue);
    assert_eq!(order[..7], [0, 1, 2, 3, 4, 5, 6]);
    // All three have waited for a turn; the more urgent comes first.
    assert_eq!(order[7..12], [101, 102, 103, 7, 8]);
}

#[test]
fn a_known_device_goes_first_but_one_network_not_all_the_time() {
    let mut queue = Queue::new(100, 10);
    for work in [10, 11, 12] {
        queued(&queue.push(1, Rank::SignIn, work));
    }
    for work in [20, 21, 22] {
        // The third is an ordinary sign-in: a network has two such places.
        queued(&queue.push_known(2, account(work), work));
    }
    queued(&queue.push_known(3, account(30), 30));
    assert_eq!(order(&mut queue), [20, 30, 10, 21, 22, 11, 12]);
}

#[test]
fn places_are_kept_for_known_devices() {
    let mut queue = Queue::new(8, 2);
    for client in 0..8 {
        queued(&queue.push(client, Rank::SignIn, 0));
    }
    assert_eq!(queue.push(8, Rank::SignIn, 7), Pushed::Full(7));
    queued(&queue.push_known(8, account(1), 1));
    queued(&queue.push_known(9, account(2), 2));
    // Beyond those it takes an ordinary place.
    assert!(matches!(queue.push_known(10, account(3), 3), Pushed::Queued(_, Some(0))));
    assert_eq!(queue.len(), 10);
    assert_eq!(queue.pop().unwrap().work, 1);
}

#[test]
fn an_account_has_one_known_sign_in_at_a_time() {
    let mut queue = Queue::new(16, 2);
    queued(&queue.push(1, Rank::SignIn, 10));
    queued(&queue.push_known(2, account(7), 20));
    queued(&queue.push_known(3, account(7), 30));
    queued(&queue.push_known(4, account(8), 40));
    assert_eq!(waiting(&queue, Rank::Known), 2);
    assert_eq!(queue.pop().unwrap().work, 20);
    // The first has had its turn.
    queued(&queue.push_known(5, account(7), 50));
    assert_eq!(order(&mut queue), [40, 50, 10, 30]);
}

#[test]
fn known_devices_take_the_reserved_places_and_a_quarter_of_the_others() {
    let mut queue = Queue::new(16, 2);
    for client in 0..7 {
        queued(&queue.push_known(client, account(client.into()), client.into()));
    }
    assert_eq!((waiting(&queue, Rank::Known), waiting(&queue, Rank::SignIn)), (6, 1));
    for client in 10..21 {
        queued(&queue.push(client, Rank::Registration, client.into()));
    }
    assert_eq!(queue.len(), 18);
    // As an ordinary sign-in it goes before a registration, but pushes out no other sign-in.
    for client in 30..41 {
        let pushed = queue.push_known(client, account(client.into()), client.into());
        assert!(matches!(pushed, Pushed::Queued(_, Some(10..21))), "{pushed:?}");
    }
    assert_eq!(queue.push_known(50, account(50), 50), Pushed::Full(50));
}

#[test]
fn a_network_with_two_known_devices_makes_room_among_them_for_another_network() {
    let mut queue = Queue::new(8, 2);
    for (client, work) in [(1, 10), (1, 11), (2, 20), (2, 21)] {
        queued(&queue.push_known(client, account(work), work));
    }
    // Its newest becomes an ordinary sign-in; while there are places, none is refused.
    queued(&queue.push_known(3, account(30), 30));
    queued(&queue.push_known(4, account(40), 40));
    assert_eq!((waiting(&queue, Rank::Known), waiting(&queue, Rank::SignIn)), (4, 2));
    // No network has two there now, and a network that has one takes none from others.
    queued(&queue.push_known(5, account(50), 50));
    queued(&queue.push_known(3, account(31), 31));
    assert_eq!(order(&mut queue), [10, 20, 30, 40, 21, 11, 50, 31]);
}

#[test]
fn a_known_device_that_made_room_is_refused_if_there_is_no_other_place() {
    let mut queue = Queue::new(4, 2);
    for (client, work) in [(1, 10), (1, 11), (2, 20)] {
        queued(&queue.push_known(client, account(work), work));
    }
    for client in 5..8 {
        queued(&queue.push(client, Rank::SignIn, client.into()));
    }
    assert!(matches!(queue.push_known(3, account(30), 30), Pushed::Queued(_, Some(11))));
    assert_eq!(order(&mut queue), [10, 20, 30, 5, 6, 7]);
}

#[test]
fn one_account_on_many_networks_keeps_no_other_out() {
    let mut queue = Queue::new(16, 2);
    for client in (0..40).chain(0..40) {
        queue.push_known(client, account(1), 1);
    }
    assert_eq!(waiting(&queue, Rank::Known), 1);
    assert!(matches!(queue.push_known(99, account(2), 2), Pushed::Queued(..)));
    assert_eq!(waiting(&queue, Rank::Known), 2);
}

#[test]
fn a_flood_makes_room_for_others() {
    let mut queue = Queue::new(8, 0);
    for work in 10..18 {
        queued(&queue.push(1, Rank::SignIn, work));
    }
    assert_eq!(queue.push(1, Rank::SignIn, 18), Pushed::Full(18));
    // Its newest work is pushed out, for less urgent work as well.
    assert!(matches!(queue.push(2, Rank::SignIn, 20), Pushed::Queued(_, Some(17))));
    assert!(matches!(queue.push(3, Rank::Registration, 30), Pushed::Queued(_, Some(16))));
    for work in 21..23 {
        assert!(matches!(queue.push(2, Rank::SignIn, work), Pushed::Queued(_, Some(_))));
    }
    // Two clients with equal shares do not push each other out.
    assert_eq!(queue.push(2, Rank::SignIn, 23), Pushed::Full(23));
}

#[test]
fn urgent_work_pushes_out_less_urgent_work_of_clients_with_more() {
    let mut queue = Queue::new(4, 0);
    for client in 0..4 {
        queued(&queue.push(client, Rank::Registration, u32::from(client)));
    }
    assert!(matches!(queue.push(9, Rank::SignIn, 90), Pushed::Queued(_, Some(_))));
    assert_eq!(queue.push(9, Rank::SignIn, 91), Pushed::Full(91), "it has as much as the others");
    assert_eq!(queue.push(8, Rank::Rating, 80), Pushed::Full(80));
    assert_eq!(queue.pop().unwrap().work, 90);
}

#[test]
fn removed_work_frees_its_place_and_takes_no_turn_away() {
    let mut queue = Queue::new(3, 0);
    let first = queued(&queue.push(1, Rank::SignIn, 10));
    queued(&queue.push(1, Rank::SignIn, 11));
    queued(&queue.push(2, Rank::SignIn, 20));
    assert_eq!(queue.remove(first), Some(10));
    assert_eq!(queue.remove(first), None);
    queued(&queue.push(3, Rank::SignIn, 30));
    assert_eq!(order(&mut queue), [11, 20, 30]);
}

#[test]
fn doubtful_work_is_last_and_first_to_make_room() {
    let mut queue = Queue::new(2, 0);
    queued(&queue.push(1, Rank::SignIn, 10));
    queued(&queue.push(2, Rank::Rating, 20));
    let next = queue.pop().unwrap();
    let id = next.id;
    queue.put_last(next);
    assert_eq!(queue.pop().unwrap().work, 20);
    let next = queue.pop().unwrap();
    assert_eq!((next.id, next.rank, next.work), (id, Rank::Doubtful, 10));
    queue.put_last(next);
    queued(&queue.push(2, Rank::Rating, 21));
    assert!(matches!(queue.push(2, Rank::Rating, 22), Pushed::Queued(_, Some(10))));
}

#[derive(Debug, Clone)]
enum Step {
    Push(u8, Rank, u32),
    Pop,
    Doubt,
    Remove(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rank = (0..RANKS - 1).prop_map(|index| ALL[index]);
    let step = prop_oneof![
        4 => (0_u8..6, rank, 0_u32..9).prop_map(|(client, rank, number)| Step::Push(client, rank, number)),
        2 => Just(Step::Pop),
        1 => Just(Step::Doubt),
        1 => (0_u64..60).prop_map(Step::Remove),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn nothing_is_lost_and_the_bounds_hold(steps in steps(), places in 1_usize..20, reserved in 0_usize..4) {
        let mut queue = Queue::new(places, reserved);
        let mut inside: HashSet<u32> = HashSet::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(client, rank, account) => {
                    let work = u32::try_from(number).unwrap();
                    match push(&mut queue, client, rank, account, work) {
                        Pushed::Queued(_, pushed_out) => {
                            prop_assert!(inside.insert(work));
                            prop_assert!(pushed_out.is_none_or(|work| inside.remove(&work)));
                        }
                        Pushed::Full(back) => {
                            prop_assert_eq!(back, work);
                            prop_assert!(queue.len() >= places);
                        }
                    }
                }
                Step::Pop => match queue.pop() {
                    Some(next) => prop_assert!(inside.remove(&next.work)),
                    None => prop_assert!(inside.is_empty()),
                },
                Step::Doubt => if let Some(next) = queue.pop() {
                    queue.put_last(next);
                },
                Step::Remove(id) => if let Some(work) = queue.remove(id) {
                    prop_assert!(inside.remove(&work));
                },
            }
            prop_assert_eq!(queue.len(), inside.len());
            prop_assert!(queue.len() <= places + reserved);
            let known = queue.rank(Rank::Known).waiting.values().flatten();
            let accounts: Vec<_> = known.map(|entry| entry.account.unwrap()).collect();
            prop_assert!(accounts.len() <= reserved + places / KNOWN_SHARE);
            prop_assert_eq!(accounts.iter().collect::<HashSet<_>>().len(), accounts.len(), "one each");
        }
        let left = order(&mut queue);
        prop_assert_eq!(left.len(), inside.len());
    }

    /// It takes more networks than there are places that known devices cannot have, which is twelve here.
    #[test]
    fn known_devices_of_many_accounts_and_networks_keep_no_newcomer_out(
        networks in 1_u8..12,
        flood in prop::collection::vec((0_u8..12, 0_u32..200), 0..200),
    ) {
        for newcomer in [Rank::SignIn, Rank::Known] {
            let mut queue = Queue::new(16, 2);
            for (client, number) in &flood {
                queue.push_known(client % networks, account(*number), 0);
            }
            let pushed = push(&mut queue, 99, newcomer, 999, 1);
            prop_assert!(matches!(pushed, Pushed::Queued(_, None | Some(0))), "{newcomer:?}: {pushed:?}");
        }
    }

    /// However the others flood the queue, accepted work is done after a bounded number of others.
    #[test]
    fn no_client_starves(flood in prop::collection::vec((0_u8..4, 0..RANKS - 1, 0_u32..9), 400), rank in 1..RANKS - 1) {
        let mut queue = Queue::new(16, 2);
        for (client, rank, account) in &flood[..100] {
            push(&mut queue, *client, ALL[*rank], *account, 0);
        }
        let pushed = queue.push(99, ALL[rank], 1);
        prop_assert!(matches!(pushed, Pushed::Queued(..)), "a newcomer is admitted");
        let mut done = 0;
        for (client, rank, account) in &flood[100..] {
            if queue.pop().is_some_and(|next| next.work == 1) {
                break;
            }
            done += 1;
            push(&mut queue, *client, ALL[*rank], *account, 0);
            push(&mut queue, *client, ALL[*rank], *account, 0);
        }
        // Four others in its own rank, each turn of which comes once in eight or, with several ranks, in
        // twelve.
        prop_assert!(done <= 5 * 12, "{done} went first");
    }

    #[test]
    fn a_refusal_can_be_predicted(
        flood in prop::collection::vec((0_u8..8, 0..RANKS - 1, 0_u32..9, any::<bool>()), 200)
    ) {
        let mut queue = Queue::new(8, 2);
        for (client, rank, account, pop) in flood {
            let rank = ALL[rank];
            let refuses = queue.refuses(client, rank);
            let pushed = push(&mut queue, client, rank, account, 0);
            prop_assert!(rank == Rank::Known || refuses == matches!(pushed, Pushed::Full(_)));
            if pop {
                queue.pop();
            }
        }
    }
}

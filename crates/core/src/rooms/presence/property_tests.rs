use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::tests::{GRACE, Stage, user};
use super::user::Line;
use super::*;
use crate::domain::UserId;

#[derive(Debug, Clone)]
enum Step {
    Enter(u128, u128),
    Leave(u128, u128, Departure),
    Set(u128, u128, Option<u8>),
    Wait(u64),
    Ask,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || (1..4_u128, 1..4_u128);
    prop_oneof![
        3 => who().prop_map(|(user, session)| Step::Enter(user, user * 10 + session)),
        3 => (who(), any::<bool>()).prop_map(|((user, session), is_final)| {
            let departure = if is_final { Departure::Final } else { Departure::Broken };
            Step::Leave(user, user * 10 + session, departure)
        }),
        2 => (who(), prop::option::of(0..3_u8))
            .prop_map(|((user, session), data)| Step::Set(user, user * 10 + session, data)),
        3 => (0..4000_u64).prop_map(Step::Wait),
        1 => Just(Step::Ask),
    ]
}

/// The sessions that are there and what they have set, with the number of the step.
type Truth = BTreeMap<(u128, u128), Option<(usize, u8)>>;

fn play(stage: &mut Stage, truth: &mut Truth, number: usize, step: &Step) {
    match *step {
        Step::Enter(user, session) => {
            stage.enter(user, session);
            truth.insert((user, session), None);
        }
        Step::Leave(user, session, departure) => {
            // A session leaves once.
            if truth.remove(&(user, session)).is_some() {
                stage.leave(user, session, departure);
            }
        }
        Step::Set(user, session, value) => {
            if let Some(set) = truth.get_mut(&(user, session)) {
                stage.set(user, session, value.map(|value| value.to_string()).as_deref());
                *set = value.map(|value| (number, value));
            }
        }
        Step::Wait(milliseconds) => stage.wait(Duration::from_millis(milliseconds)),
        Step::Ask => {
            let (change, _) = stage.room.page(None, 1, stage.now);
            stage.hear(change);
        }
    }
}

proptest! {
    /// At each number, the list and the changes agree (`check_pages`); once all is quiet, both are the truth.
    #[test]
    fn a_watcher_knows_the_truth_once_all_is_quiet(steps in prop::collection::vec(step(), 0..80)) {
        let (mut stage, mut truth) = (Stage::new(PresenceLevel::Users), Truth::new());
        for (number, step) in steps.iter().enumerate() {
            play(&mut stage, &mut truth, number, step);
        }
        stage.wait(GRACE + Duration::from_secs(1));
        let mut expected = BTreeMap::<_, Option<(usize, u8)>>::new();
        for ((of, _), set) in truth {
            let shown = expected.entry(user(of)).or_default();
            *shown = (*shown).max(set);
        }
        let shows = |(of, set): (UserId, Option<(usize, u8)>)| {
            let data = set.map(|(_, value)| value.to_string());
            let seen = stage.watcher.users.get(&of).map(|shown| serde_json::to_value(Line(of, shown)).unwrap());
            (of, seen.map(|seen| seen.get("data").map(ToString::to_string)) == Some(data))
        };
        prop_assert_eq!(stage.watcher.users.len(), expected.len());
        prop_assert!(expected.into_iter().map(shows).all(|(_, right)| right));
    }
}

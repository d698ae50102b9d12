//! The rooms of one session, in the order of their names. Most sessions are in a few, and there are many sessions: a vector
//! takes a tenth of what a tree does.

use super::RoomName;
use super::stay::Stay;

#[derive(Debug, Default)]
pub(super) struct Stays(Vec<(RoomName, Stay)>);

impl Stays {
    fn find(&self, room: &RoomName) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| name.cmp(room))
    }

    pub fn get(&self, room: &RoomName) -> Option<&Stay> {
        self.find(room).ok().map(|at| &self.0[at].1)
    }

    pub fn has(&self, room: &RoomName) -> bool {
        self.find(room).is_ok()
    }

    pub const fn len(&self) -> usize {
        self.0.len()
    }

    pub fn insert(&mut self, room: RoomName, stay: Stay) {
        match self.find(&room) {
            Ok(at) => self.0[at].1 = stay,
            Err(at) => {
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact(1.max(self.0.len() / 2));
                }
                self.0.insert(at, (room, stay));
            }
        }
    }

    /// Answers whether it was there.
    pub fn remove(&mut self, room: &RoomName) -> bool {
        self.find(room).map(|at| self.0.remove(at)).is_ok()
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&RoomName, &mut Stay) -> bool) {
        self.0.retain_mut(|(room, stay)| keep(room, stay));
    }

    pub fn into_names(self) -> impl Iterator<Item = RoomName> {
        self.0.into_iter().map(|(room, _)| room)
    }

    pub fn iter(&self) -> impl Iterator<Item = &(RoomName, Stay)> {
        self.0.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut (RoomName, Stay)> {
        self.0.iter_mut()
    }
}

//! Beyond a limit.

use super::ApiError;
use crate::limits::Exceeded;

impl From<Exceeded> for ApiError {
    fn from(exceeded: Exceeded) -> Self {
        Self::too_many_requests(exceeded.sentence(), exceeded.wait())
    }
}

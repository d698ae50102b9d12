//! The errors of operations in the `OpenAPI` document.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{self, ContentBuilder, Ref, RefOr, ResponseBuilder};

/// The errors of an operation.
pub(super) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let answers = [
            ("4XX", "The request is refused: `code` says why"),
            ("5XX", "The server cannot answer now; 503 says in `Retry-After` when to try again"),
        ];
        let problem = || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = |description: &str| {
            let response = ResponseBuilder::new().description(description);
            RefOr::T(response.content("application/problem+json", problem()).build())
        };
        answers.map(|(status, description)| (status.to_owned(), response(description))).into()
    }
}

//! The language that a visitor chose in the menu of a page. A link of the menu is the page's own path with the language
//! in the query; the browser then remembers it in a cookie.

use actix_web::{HttpRequest, HttpResponse};

use super::Site;
use super::cookie::add;
use crate::pages::LANGUAGE_PARAMETER;
use crate::text::Language;

impl Site {
    /// The language of the request's query, otherwise the one that the browser remembers, if there is such a language.
    pub(super) fn chosen_language(&self, request: &HttpRequest) -> Option<&Language> {
        self.asked_language(request).or_else(|| self.remembered_language(request))
    }

    fn asked_language(&self, request: &HttpRequest) -> Option<&Language> {
        let mut pairs = request.query_string().split('&').filter_map(|pair| pair.split_once('='));
        let (_, tag) = pairs.find(|(name, _)| *name == LANGUAGE_PARAMETER)?;
        self.languages.find(tag)
    }

    fn remembered_language(&self, request: &HttpRequest) -> Option<&Language> {
        self.languages.find(&self.read_language(request)?)
    }

    /// Makes the browser remember the language that the request's query names.
    pub(super) fn remember_language(&self, request: &HttpRequest, response: &mut HttpResponse) {
        let Some(asked) = self.asked_language(request) else { return };
        if self.remembered_language(request).is_none_or(|known| known.tag() != asked.tag()) {
            add(response, &self.language_cookie(request, asked));
        }
    }
}

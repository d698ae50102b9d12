//! The forms of pages: what they post, and their errors.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::UrlencodedError;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;

use super::super::extract::{BODY_TIMEOUT, too_large, too_slow};
use super::super::site::Site;
use crate::accounts::Error;
use crate::error::ApiError;
use crate::pages::{FieldError, FormErrors, Frame};

/// A form of one of our pages: refused if another site's page made the browser post it. `T` gives a default
/// to fields that may be missing and leaves the rest to the parsers of `domain`.
#[derive(Debug)]
pub(in super::super) struct Form<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Form<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let ours = match request.app_data::<web::Data<Site>>() {
            Some(site) => site.check_same_site(request),
            // `configure` always sets this.
            None => Err(ApiError::not_found()),
        };
        let form = read(request, payload);
        Box::pin(async move {
            ours?;
            form.await.map(Self)
        })
    }
}

/// The form of a page that a link in an email leads to. The link's token is its authority, whatever cookie is
/// sent along, so any page may post it. Nor could the posting page be determined: it sends no referrer, so
/// its `Origin` is `null` (Fetch, section 3.2).
#[derive(Debug)]
pub(in super::super) struct LinkForm<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for LinkForm<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = read(request, payload);
        Box::pin(async move { form.await.map(Self) })
    }
}

fn read<T: DeserializeOwned + 'static>(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<T, ApiError>> + 'static {
    let form = web::Form::<T>::from_request(request, payload);
    async move {
        #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
        let read = tokio::time::timeout(BODY_TIMEOUT, form).await;
        let form = read.map_err(|_| too_slow())?.map_err(|error| unreadable(&error))?;
        Ok(form.into_inner())
    }
}

fn unreadable(error: &actix_web::Error) -> ApiError {
    match error.as_error::<UrlencodedError>() {
        Some(UrlencodedError::Overflow { .. }) => too_large(),
        Some(UrlencodedError::ContentType) => ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_a_form",
            "The body must be a form: Content-Type: application/x-www-form-urlencoded",
        ),
        _ => ApiError::new(StatusCode::BAD_REQUEST, "bad_body", "The body could not be read."),
    }
}

/// Collects the errors of a form with these `fields`, so that all are shown at once.
pub(in super::super) struct Refusals<'a> {
    frame: Frame<'a>,
    fields: &'static [&'static str],
    pub errors: FormErrors,
    /// The first error: its status becomes the response's.
    pub first: Option<ApiError>,
}

impl<'a> Refusals<'a> {
    pub const fn new(frame: Frame<'a>, fields: &'static [&'static str]) -> Self {
        Self { frame, fields, errors: FormErrors { general: None, fields: Vec::new() }, first: None }
    }

    /// The value; an error is noted.
    pub fn check<T, E>(&mut self, result: Result<T, E>) -> Option<T>
    where
        Error: From<E>,
    {
        result.map_err(|error| self.note(Error::from(error).into())).ok()
    }

    pub fn note(&mut self, error: ApiError) {
        let field = error.field_name().and_then(|field| self.fields.iter().position(|known| *known == field));
        self.note_at(field, error);
    }

    /// Notes an error of the field at this place in the form, where they are kept in the order of the form, or of the
    /// whole form.
    fn note_at(&mut self, place: Option<usize>, error: ApiError) {
        match place.and_then(|place| Some((place, *self.fields.get(place)?))) {
            Some((place, field)) => {
                let earlier = self.fields.get(..place).unwrap_or_default();
                let is_before = |other: &&FieldError| earlier.contains(&other.field.as_str());
                let at = self.errors.fields.iter().take_while(is_before).count();
                self.errors.fields.insert(at, self.frame.field_error(field, &error));
            }
            None => self.errors.general = Some(self.frame.detail(&error)),
        }
        self.first.get_or_insert(error);
    }

    /// Notes why what the form requested was not done.
    ///
    /// # Errors
    /// A server error, which is not about the form.
    pub fn check_done<T, E>(&mut self, done: Result<T, E>) -> Result<(), ApiError>
    where
        ApiError: From<E>,
    {
        self.check_done_naming(done, ("", ""))
    }

    /// The same where the form has another name for a field than the error: that, and the form's.
    ///
    /// # Errors
    /// As [`Refusals::check_done`].
    pub fn check_done_naming<T, E>(
        &mut self,
        done: Result<T, E>,
        (theirs, ours): (&str, &str),
    ) -> Result<(), ApiError>
    where
        ApiError: From<E>,
    {
        match done.map_err(ApiError::from) {
            Ok(_) => {}
            Err(error) if error.is_ours() => return Err(error),
            // Its message is that of its own name.
            Err(error) if error.field_name().is_some_and(|field| field == theirs) => {
                self.note_at(self.fields.iter().position(|known| *known == ours), error);
            }
            Err(error) => self.note(error),
        }
        Ok(())
    }

    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The refusal of a form because of what it requested.
    ///
    /// # Errors
    /// A server error, which is not about the form.
    pub fn of(frame: Frame<'a>, fields: &'static [&'static str], error: ApiError) -> Result<Self, ApiError> {
        let mut refusals = Self::new(frame, fields);
        refusals.check_done(Err::<(), _>(error))?;
        Ok(refusals)
    }
}

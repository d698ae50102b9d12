//! The pages for people who are not signed in: to register, sign in, or recover an account.

use askama::Template;

use super::{Faults, Field, FormErrors, Frame, Mood, Notice, Who};
use crate::accounts::ResetLink;

#[derive(Template, Debug)]
#[template(path = "register.html")]
pub struct Register<'a> {
    frame: Frame<'a>,
    errors: &'a FormErrors,
    username: Field<'a>,
    email: Field<'a>,
    password: Field<'a>,
    invitee: Option<Invitee<'a>>,
}

/// A person who was invited.
#[derive(Debug, Clone, Copy)]
pub struct Invitee<'a> {
    /// The address that the invitation is for, if it is for one.
    pub email: Option<&'a str>,
}

/// What a new account needs.
#[derive(Debug, Clone, Copy)]
pub struct NewAccountRules {
    pub min_password: usize,
    pub needs_email: bool,
}

impl<'a> Register<'a> {
    #[must_use]
    pub fn new(
        frame: Frame<'a>,
        username: &'a str,
        email: &'a str,
        rules: NewAccountRules,
        errors: &'a FormErrors,
    ) -> Self {
        let email_field = Field::email(frame, "email", "field-email").value(email);
        let email_field = if rules.needs_email {
            email_field.hint("field-email-hint-confirm")
        } else {
            email_field.hint("field-email-hint-optional").optional()
        };
        Self {
            frame,
            errors,
            username: Field::new(frame, "username", "field-username", "username")
                .value(username)
                .hint("field-username-hint")
                .max_length(32)
                .first(errors)
                .checked(errors),
            email: email_field.checked(errors),
            password: Field::new_password(frame, "password", "field-password", rules.min_password)
                .checked(errors),
            invitee: None,
        }
    }

    fn faults(&self) -> Faults<'_> {
        Faults::of([&self.username, &self.email, &self.password])
    }

    /// The key of the heading.
    const fn heading(&self) -> &'static str {
        if self.invitee.is_some() || self.frame.is_open() {
            "register-title"
        } else if self.frame.is_closed() {
            "register-closed-title"
        } else {
            "register-invited-only-title"
        }
    }

    /// The same for a person who was invited. The form posts to the page's own URL, which has the invitation's token.
    #[must_use]
    pub fn invited(self, invitee: Invitee<'a>) -> Self {
        Self { invitee: Some(invitee), ..self }
    }
}

#[derive(Template, Debug)]
#[template(path = "login.html")]
pub struct Login<'a> {
    frame: Frame<'a>,
    errors: &'a FormErrors,
    notice: Option<Notice>,
    name: Field<'a>,
    password: Field<'a>,
}

impl<'a> Login<'a> {
    #[must_use]
    pub fn new(frame: Frame<'a>, login: &'a str, notice: Option<Notice>, errors: &'a FormErrors) -> Self {
        // Once a name was typed, the password is next.
        let mut password = Field::current_password(frame, "password", "field-password")
            .beside("login-forgot", frame.onward_link("/forgot-password"))
            .checked(errors);
        let mut name = Field::new(frame, "login", "field-login", "username").value(login);
        if login.is_empty() {
            name = name.first(errors);
        } else {
            password = password.first(errors);
        }
        Self { frame, errors, notice, name: name.checked(errors), password }
    }
}

#[derive(Template, Debug)]
#[template(path = "forgot_password.html")]
pub struct ForgotPassword<'a> {
    frame: Frame<'a>,
    errors: &'a FormErrors,
    /// What was typed, once a link is on its way if there is such an account.
    sent_for: Option<&'a str>,
    login: Field<'a>,
}

impl<'a> ForgotPassword<'a> {
    #[must_use]
    pub fn new(frame: Frame<'a>, login: &'a str, errors: &'a FormErrors) -> Self {
        let login = Field::new(frame, "login", "field-login", "username").value(login);
        Self { frame, errors, sent_for: None, login: login.first(errors).checked(errors) }
    }

    /// Says what happens next, and offers to do it again.
    #[must_use]
    pub fn sent(self, login: &'a str) -> Self {
        Self { sent_for: Some(login), ..self }
    }
}

/// The link's token is in the page's URL, and nowhere on the page.
#[derive(Template, Debug)]
#[template(path = "reset_password.html")]
pub struct ResetPassword<'a> {
    frame: Frame<'a>,
    errors: &'a FormErrors,
    /// For the person and for the password manager; none if the person has to choose.
    username: Option<&'a str>,
    /// The accounts to choose from.
    choice: Field<'a>,
    chosen: &'a str,
    usernames: &'a [String],
    /// The address that becomes the account's address again.
    restores: Option<&'a str>,
    password: Field<'a>,
    notice: Option<Notice>,
}

impl<'a> ResetPassword<'a> {
    #[must_use]
    pub fn new(
        frame: Frame<'a>,
        link: &'a ResetLink,
        typed: &'a str,
        min_password: usize,
        errors: &'a FormErrors,
    ) -> Self {
        let mut password = Field::new_password(frame, "password", "field-new-password", min_password);
        // Only its error is shown: the accounts are radio buttons, and its id is that of the first one.
        let choice = Field::new(frame, "username", "reset-account", "username").within("choice-0");
        let username = match link.usernames.as_slice() {
            [one] => Some(one.as_str()),
            _ => None,
        };
        if username.is_some() {
            password = password.first(errors);
        }
        Self {
            frame,
            errors,
            username,
            choice: choice.checked(errors),
            chosen: typed,
            usernames: &link.usernames,
            restores: link.restores.as_deref(),
            password: password.checked(errors),
            notice: None,
        }
    }

    /// Says what was just done.
    #[must_use]
    pub fn after(self, notice: Option<Notice>) -> Self {
        Self { notice, ..self }
    }

    fn faults(&self) -> Faults<'_> {
        Faults::of([&self.choice, &self.password])
    }

    /// The key of the heading.
    const fn heading(&self) -> &'static str {
        if self.restores.is_some() { "restore-title" } else { "reset-title" }
    }

    fn is_chosen(&self, name: &str) -> bool {
        self.chosen == name
    }

    /// Whether the choice gets the focus.
    fn begins_with_choice(&self) -> bool {
        self.errors.fields.first().is_none_or(|error| error.field == "username")
    }
}

//! What people type: names, addresses, passwords. What is taken once is taken again, in the same form.
#![no_main]

use doorward_core::domain::{DisplayName, Email, Password, Username, is_display_control};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(name) = Username::parse(text) {
        let again = Username::parse(name.folded()).expect("the form that is shown can be typed");
        assert_eq!(again.folded(), name.folded());
        assert_eq!(Username::lookup(text), Some(name.clone()));
    }
    if let Ok(email) = Email::parse(text) {
        assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
        assert_eq!(Email::parse(&Email::display_form(email.as_str())), Ok(email));
    }
    if let Ok(name) = DisplayName::parse(text) {
        assert!(!name.as_str().contains(is_display_control));
        assert_eq!(DisplayName::parse(name.as_str()), Ok(name));
    }
    let password = Password::typed(text.to_owned());
    assert_eq!(Password::typed(password.expose().to_owned()).as_typed(), None);
});

//! What a device is called, in the language of the page.

use doorward_core::domain::DeviceName;

use super::Frame;

impl Frame<'_> {
    /// A device by its user agent, such as "Firefox on Linux".
    #[must_use]
    pub fn device_name(&self, user_agent: Option<&str>) -> String {
        self.language.device_name(DeviceName::of(user_agent))
    }
}

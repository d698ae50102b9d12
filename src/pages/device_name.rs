//! What a device is called, in the language of the page.

use doorward_core::domain::DeviceName;

use super::Frame;

impl Frame<'_> {
    /// A device by its user agent, such as "Firefox on Linux". `dashboard.js` does the same.
    #[must_use]
    pub fn device_name(&self, user_agent: Option<&str>) -> String {
        let DeviceName { client, system } = DeviceName::of(user_agent);
        let client = client.map(|client| self.client_name(client));
        match (client, system) {
            (Some(client), Some(system)) => {
                self.t("device-name").with("client", client).with("system", system).to_string()
            }
            (Some(client), None) => client,
            (None, Some(system)) => self.t("device-name-system").with("system", system).to_string(),
            (None, None) => self.t("device-name-unknown").to_string(),
        }
    }

    /// The name of a client; those that are words have a message.
    fn client_name(&self, client: String) -> String {
        let key = format!("device-client-{}", client.to_lowercase().replace(' ', "-"));
        if self.language.knows(&key) { self.t(key).to_string() } else { client }
    }
}

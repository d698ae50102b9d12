//! Counts what servers have logged in JSON.

use std::collections::BTreeMap;

use serde_json::Value;

#[derive(Default)]
pub struct LogCount {
    /// By message.
    pub errors: BTreeMap<String, usize>,
    pub warnings: BTreeMap<String, usize>,
    pub lines: usize,
}

impl LogCount {
    /// Counts these lines. One that is not JSON is an error: a panic is written like that.
    pub fn read(&mut self, log: &str) {
        for line in log.lines() {
            self.lines += 1;
            let Ok(said) = serde_json::from_str::<Value>(line) else {
                *self.errors.entry(line.to_owned()).or_default() += 1;
                continue;
            };
            let kind = match said["level"].as_str() {
                Some("WARN") => &mut self.warnings,
                Some("INFO" | "DEBUG" | "TRACE") => continue,
                _ => &mut self.errors,
            };
            let message = said["message"].as_str().unwrap_or("no message");
            // Of an answer.
            let status = said["status"].as_u64().map(|status| format!(" ({status})"));
            *kind.entry(message.to_owned() + &status.unwrap_or_default()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LogCount;

    #[test]
    fn errors_and_warnings_are_counted_and_what_is_not_json_is_an_error() {
        let mut count = LogCount::default();
        count.read(
            "{\"level\":\"INFO\",\"message\":\"a\"}\n{\"level\":\"WARN\",\"message\":\"b\",\"status\":503}\n\
             {\"level\":\"WARN\",\"message\":\"b\",\"status\":503}\n{\"level\":\"ERROR\",\"message\":\"c\"}\n\
             thread 'main' panicked\n",
        );
        assert_eq!(count.lines, 5);
        assert_eq!(count.warnings, [("b (503)".to_owned(), 2)].into());
        let errors: Vec<_> = count.errors.keys().map(String::as_str).collect();
        assert_eq!(errors, ["c", "thread 'main' panicked"]);
    }
}

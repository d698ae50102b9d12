//! A start, and a server without work, by the number of logins that were revoked a moment ago. The logins are rows that
//! are written into the database at once.

use std::time::Duration;

use tokio::time::sleep;

use super::{SETTINGS, SETTLE, Series};
use crate::chart::Scale;
use crate::figures::ms;
use crate::people::People;
use crate::rows::Rows;
use crate::server::Server;
use crate::{Result, Target};

const ROUND: Duration = Duration::from_secs(5);

pub async fn run(target: &Target, numbers: &[usize]) -> Result<Series> {
    let mut series = Series::new(
        "load growth: revoked",
        "revoked logins",
        Scale::Logarithmic,
        &["start until ready, ms", "no work, ms a second"],
        &["CPU of the start, ms", "memory, MB"],
    );
    let mut server = Server::start(target, &SETTINGS).await?;
    let mut people = People::new(server.address());
    people.sign_in(1, 1).await?;
    let mut written = 0;
    for &number in numbers {
        if number > written {
            Rows::of(&server)?.revoke(written..number)?;
            written = number;
        }
        let ready = server.restart(target, &SETTINGS).await?;
        let cpu = server.fine_cpu();
        sleep(SETTLE).await;
        let before = server.fine_cpu();
        sleep(ROUND).await;
        let idle = server.fine_cpu_since(before).map(|cpu| ms(cpu) / ROUND.as_secs_f64());
        let memory = server.pss().map(|pss| pss / 1024.0);
        series.push(number, vec![Some(ms(ready)), idle, cpu.map(ms), memory]);
    }
    Ok(series)
}

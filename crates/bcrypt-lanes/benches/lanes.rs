//! Measures the time of a hash by the number of lanes, beside the crate `bcrypt`. Fails if a lone hash is
//! slower than the crate's, or if the lanes do not pay: what a compiler or its options can undo.
#![expect(clippy::disallowed_methods, reason = "real time is measured")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bcrypt_lanes::{Input, Lanes};

const COST: u32 = 10;
/// Each is measured that often, in turns. The fastest counts, which other programs disturb the least.
const TURNS: usize = 12;
/// The most time of a hash, relative to the crate: alone, and with all lanes.
const ALONE: f64 = 1.1;
const FULL: f64 = 0.6;

fn main() -> ExitCode {
    let input = Input::new(&[b'x'; 44], COST, [7; 16]).expect("the cost is within bounds");
    let mut best = [Duration::MAX; Lanes::WIDTH + 1];
    for _ in 0..TURNS {
        for (width, best) in best.iter_mut().enumerate() {
            let time = if width == 0 { with_the_crate() } else { with_lanes(&input, width) };
            *best = time.min(*best);
        }
    }
    let names = ["the crate bcrypt", "1 lane", "2 lanes", "3 lanes", "4 lanes"];
    let relative = |width: usize| best[width].as_secs_f64() / best[0].as_secs_f64();
    println!("a hash at cost {COST}, of the best of {TURNS} runs");
    for (width, name) in names.iter().enumerate() {
        println!("{name:>16} {:7.2} ms {:5.2}", best[width].as_secs_f64() * 1000.0, relative(width));
    }
    let mut outcome = ExitCode::SUCCESS;
    for (width, bound) in [(1, ALONE), (Lanes::WIDTH, FULL)] {
        if relative(width) > bound {
            println!("{} take more than {bound} of the crate's time", names[width]);
            outcome = ExitCode::FAILURE;
        }
    }
    outcome
}

fn with_the_crate() -> Duration {
    let started = Instant::now();
    let hash = bcrypt::hash_with_salt([b'x'; 44], COST, [7; 16]).expect("the cost is within bounds");
    std::hint::black_box(hash);
    started.elapsed()
}

/// The time of one of several hashes that run together.
fn with_lanes(input: &Input, width: usize) -> Duration {
    let mut lanes = Lanes::new();
    let started = Instant::now();
    for _ in 0..width {
        lanes.start(input);
    }
    while lanes.running() > 0 {
        std::hint::black_box(lanes.advance(16));
    }
    started.elapsed() / u32::try_from(width).expect("few lanes")
}

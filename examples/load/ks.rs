//! The two-sample Kolmogorov-Smirnov test: whether two samples may come from one distribution.

/// The largest distance between the two distributions, and the probability of such a distance if they are the same.
pub struct Outcome {
    pub distance: f64,
    pub p: f64,
}

/// Compares two samples. `p` is the asymptotic value, a good approximation from a few dozen figures on.
pub fn compare(first: &[f64], second: &[f64]) -> Outcome {
    let (first, second) = (sorted(first), sorted(second));
    let (n, m) = (first.len() as f64, second.len() as f64);
    let (mut i, mut j, mut distance) = (0, 0, 0.0_f64);
    while i < first.len() && j < second.len() {
        // Skips equal figures in both samples: the distributions are compared only after them.
        let value = first[i].min(second[j]);
        i += first[i..].iter().take_while(|other| **other <= value).count();
        j += second[j..].iter().take_while(|other| **other <= value).count();
        distance = distance.max((i as f64 / n - j as f64 / m).abs());
    }
    Outcome { distance, p: survival((n * m / (n + m)).sqrt() * distance) }
}

pub fn median(figures: &[f64]) -> f64 {
    sorted(figures).get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    let mut figures = figures.to_vec();
    figures.sort_unstable_by(f64::total_cmp);
    figures
}

/// Kolmogorov's distribution, from `x` upwards: 2 (e^(-2x²) - e^(-8x²) + e^(-18x²) - ...).
fn survival(x: f64) -> f64 {
    // Below it the sum converges slowly, and is 1 to twelve digits.
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| (-1.0_f64).powi(k - 1) * (-2.0 * f64::from(k * k) * x * x).exp();
    (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn the_distribution_is_the_one_in_scipy() {
        // scipy.special.kolmogorov
        let known = [
            (0.3, 0.999_990_694_198_665_5),
            (0.5, 0.963_945_243_664_875_1),
            (1.0, 0.269_999_671_677_354_56),
            (1.3581, 0.049_999_630_431_667_4),
            (1.6276, 0.010_001_537_333_060_776),
            (2.5, 7.453_306_344_157_342e-6),
        ];
        for (x, p) in known {
            assert!(close(survival(x), p), "{x}: {} {p}", survival(x));
        }
        assert!(close(survival(0.0), 1.0));
    }

    #[test]
    fn two_samples_are_compared_as_in_scipy() {
        let first: Vec<_> = (0..60).map(|i| f64::from(i * 37 % 101)).collect();
        let second = |shift: i32| (0..45).map(move |i| f64::from(i * 53 % 97 + shift)).collect::<Vec<_>>();
        // scipy.stats.ks_2samp(first, second).statistic, and scipy.special.kolmogorov(sqrt(60 * 45 / 105) * statistic)
        let known = [
            (8, 0.083_333_333_333_333_33, 0.994_073_972_852_082_1),
            (25, 0.25, 0.080_362_838_028_932),
            (40, 0.4, 0.000_533_834_737_078_046_1),
        ];
        for (shift, distance, p) in known {
            let outcome = compare(&first, &second(shift));
            assert!(close(outcome.distance, distance), "{shift}: {}", outcome.distance);
            assert!(close(outcome.p, p), "{shift}: {}", outcome.p);
        }
    }

    #[test]
    fn equal_figures_count_once_and_the_middle_one_is_the_median() {
        let same = compare(&[1.0, 1.0, 2.0], &[1.0, 1.0, 2.0]);
        assert!(close(same.distance, 0.0) && close(same.p, 1.0));
        assert!(close(compare(&[1.0; 50], &[2.0; 50]).distance, 1.0));
        assert!(close(median(&[3.0, 1.0, 2.0]), 2.0));
    }
}

//! Draws figures as SVG: small, legible in light and dark, and with each value in numbers.

use std::fmt::Write;

use crate::figures::number;

/// One small picture.
pub enum Chart {
    /// What several servers need for the same work.
    Bars { title: String, bars: Vec<Bar> },
    /// What one server needs for more and more.
    Curve { title: String, scale: Scale, points: Vec<(f64, f64)> },
    /// What several things need over time.
    Lines { title: String, lines: Vec<Line> },
}

pub struct Line {
    pub name: String,
    pub class: &'static str,
    /// None is a gap.
    pub points: Vec<(f64, Option<f64>)>,
}

pub struct Bar {
    pub name: String,
    pub value: f64,
    pub class: &'static str,
}

/// The scale of the horizontal axis.
#[derive(Clone, Copy)]
pub enum Scale {
    Linear,
    /// Each power of ten takes the same width. All values are positive.
    Logarithmic,
}

impl Scale {
    /// Where a value is between the smallest and the largest one: 0 to 1.
    fn place(self, value: f64, least: f64, most: f64) -> f64 {
        let (value, least, most) = match self {
            Self::Linear => (value, least, most),
            Self::Logarithmic => (value.log10(), least.log10(), most.log10()),
        };
        if most > least { (value - least) / (most - least) } else { 0.5 }
    }
}

const STYLE: &str = "\
    text{font:12px system-ui,sans-serif;fill:#1f2328}.h{font-size:13px;font-weight:600}.s{fill:#59636e}\
    .e{text-anchor:end}.m{text-anchor:middle}.b{fill:#fff}.l{stroke:#d1d9e0}\
    .floor{fill:#b7c0c9}.peer{fill:#7d8894}.own{fill:#0a66c2}.c{fill:none;stroke:#0a66c2;stroke-width:2}\
    path.floor,path.peer,path.own{fill:none;stroke-width:1.5}path.floor{stroke:#b7c0c9}path.peer{stroke:#7d8894}\
    path.own{stroke:#0a66c2}\
    @media(prefers-color-scheme:dark){text{fill:#f0f6fc}.s{fill:#9198a1}.b{fill:#0d1117}.l{stroke:#3d444d}\
    .floor{fill:#4b545e}.peer{fill:#7d8894}.own{fill:#58a6ff}.c{stroke:#58a6ff}\
    path.floor{stroke:#4b545e}path.own{stroke:#58a6ff}}";

/// The classes of bars.
pub const FLOOR: &str = "floor";
pub const PEER: &str = "peer";
pub const OWN: &str = "own";

const COLUMNS: usize = 2;
const WIDTH: f64 = 400.0;
const MARGIN: f64 = 16.0;
/// The height of a title, a bar with the space below it, and a curve.
const HEAD: f64 = 40.0;
const BAR: f64 = 24.0;
const CURVE: f64 = 150.0;
/// The height of a line's name.
const NAME: f64 = 18.0;
/// Where a curve's highest and lowest lines are.
const CEILING: f64 = HEAD + 4.0;
const GROUND: f64 = HEAD + CURVE - 24.0;
/// Where bars begin and how long they may be, and where a curve is.
const BARS: (f64, f64) = (150.0, 180.0);
const PLOT: (f64, f64) = (58.0, 388.0);
/// Room for the labels of the first and the last point.
const INSET: f64 = 18.0;

/// Puts the charts beside and below each other. The title is read to those who do not see the picture.
pub fn svg(title: &str, charts: &[Chart]) -> String {
    let rows: Vec<_> = charts.chunks(COLUMNS).collect();
    let heights: Vec<f64> =
        rows.iter().map(|row| row.iter().map(Chart::height).fold(0.0, f64::max) + MARGIN).collect();
    let (width, height) = (WIDTH * COLUMNS as f64, heights.iter().sum::<f64>());
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n<rect class=\"b\" width=\"{width}\" height=\"{height}\"/>\n",
        escaped(title)
    );
    let mut top = 0.0;
    for (row, height) in rows.iter().zip(heights) {
        for (column, chart) in row.iter().enumerate() {
            let left = WIDTH * column as f64;
            push(&mut out, format_args!("<g transform=\"translate({left} {top})\">"));
            chart.draw(&mut out);
            out.push_str("</g>\n");
        }
        top += height;
    }
    out + "</svg>\n"
}

fn push(out: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{part}");
}

fn text(out: &mut String, (x, y): (f64, f64), class: &str, text: &str) {
    push(out, format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text)));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Chart {
    fn height(&self) -> f64 {
        match self {
            Self::Bars { bars, .. } => HEAD + BAR * bars.len() as f64,
            Self::Curve { .. } => HEAD + CURVE,
            Self::Lines { lines, .. } => HEAD + CURVE + NAME * lines.len() as f64,
        }
    }

    fn draw(&self, out: &mut String) {
        let (Self::Bars { title, .. } | Self::Curve { title, .. } | Self::Lines { title, .. }) = self;
        let mut title = title.clone();
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        text(out, (MARGIN, 26.0), "h", &title);
        match self {
            Self::Bars { bars, .. } => draw_bars(out, bars),
            Self::Curve { scale, points, .. } => draw_curve(out, *scale, points),
            Self::Lines { lines, .. } => draw_lines(out, lines),
        }
    }
}

fn draw_bars(out: &mut String, bars: &[Bar]) {
    let most = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let (left, longest) = BARS;
    for (index, Bar { name, value, class }) in bars.iter().enumerate() {
        let top = HEAD + BAR * index as f64;
        let length = (value / most * longest).max(1.0);
        text(out, (left - 8.0, top + 13.0), "e", name);
        push(
            out,
            format_args!(
                "<rect class=\"{class}\" x=\"{left}\" y=\"{top}\" width=\"{length:.1}\" height=\"18\"/>"
            ),
        );
        text(out, (left + length + 6.0, top + 13.0), "", &number(*value));
    }
}

/// Draws the horizontal lines; returns the value of the highest one.
fn draw_grid(out: &mut String, highest: f64) -> f64 {
    let step = step(highest * 1.15);
    let top = (highest * 1.15 / step).ceil().max(1.0) * step;
    let (left, right) = PLOT;
    let mut at = 0.0;
    while at <= top * 1.001 {
        let y = height(at, top);
        push(out, format_args!("<path class=\"l\" d=\"M{left} {y:.1}H{right}\"/>"));
        text(out, (left - 6.0, y + 4.0), "s e", &tick(at, step));
        at += step;
    }
    top
}

/// Where a value is in a curve whose highest line is at `top`.
fn height(value: f64, top: f64) -> f64 {
    GROUND - value / top * (GROUND - CEILING)
}

fn draw_lines(out: &mut String, lines: &[Line]) {
    let points = || lines.iter().flat_map(|line| &line.points);
    let xs = || points().map(|(x, _)| *x);
    let (least, most) = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
    let top = draw_grid(out, points().filter_map(|(_, y)| *y).fold(0.0, f64::max));
    let (left, right) = PLOT;
    let x_of = |x: f64| left + Scale::Linear.place(x, least, most) * (right - left);
    for (index, Line { name, class, points }) in lines.iter().enumerate() {
        let (mut path, mut command) = (String::new(), 'M');
        for (x, y) in points {
            match y {
                Some(y) => {
                    // Writing to a String does not fail.
                    let _ = write!(path, "{command}{:.1} {:.1}", x_of(*x), height(*y, top));
                    command = 'L';
                }
                None => command = 'M',
            }
        }
        push(out, format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
        let at = HEAD + CURVE + NAME * index as f64;
        push(out, format_args!("<path class=\"{class}\" d=\"M{left} {:.1}h24\"/>", at + 4.0));
        let end = points.iter().rev().find_map(|(_, y)| *y).map_or_else(String::new, number);
        text(out, (left + 32.0, at + 8.0), "", &format!("{name}, {end} at the end"));
    }
    for x in [least, f64::midpoint(least, most), most] {
        text(out, (x_of(x), GROUND + 18.0), "s m", &format!("{x:.1}"));
    }
}

fn draw_curve(out: &mut String, scale: Scale, points: &[(f64, f64)]) {
    let xs = || points.iter().map(|(x, _)| *x);
    let (least, most) = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
    let highest = points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
    let (left, right) = PLOT;
    let x_of = |x: f64| left + INSET + scale.place(x, least, most) * (right - left - 2.0 * INSET);
    let top = draw_grid(out, highest);
    let y_of = |y: f64| height(y, top);
    let line: Vec<_> = points.iter().map(|(x, y)| format!("{:.1} {:.1}", x_of(*x), y_of(*y))).collect();
    push(out, format_args!("<path class=\"c\" d=\"M{}\"/>", line.join("L")));
    let mut labelled = f64::NEG_INFINITY;
    for (x, y) in points {
        let (left, up) = (x_of(*x), y_of(*y));
        push(out, format_args!("<circle class=\"own\" cx=\"{left:.1}\" cy=\"{up:.1}\" r=\"3\"/>"));
        // Labels of points close to each other would overlap.
        if left - labelled > 33.0 {
            text(out, (left, GROUND + 18.0), "s m", &short(*x));
            text(out, (left, up - 8.0), "m", &number(*y));
            labelled = left;
        }
    }
}

/// The distance of grid lines, 1, 2, or 5 times a power of ten, that divides the height into four at most.
fn step(highest: f64) -> f64 {
    let power = 10_f64.powf((highest / 4.0).max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| step * 4.0 >= highest)
        .unwrap_or(power * 10.0)
}

/// The label of a grid line, with the decimals that the distance needs.
fn tick(at: f64, step: f64) -> String {
    if at >= 1000.0 {
        return number(at);
    }
    let decimals = [1.0, 0.1, 0.01].into_iter().take_while(|unit| step < *unit * 0.999).count();
    format!("{at:.decimals$}")
}

/// 19,000 is 19k.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e3 => format!("{}k", value / 1e3),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Bar, Chart, Line, OWN, Scale, short, step, svg, tick};

    #[test]
    fn a_scale_begins_at_the_least_and_ends_at_the_most() {
        for scale in [Scale::Linear, Scale::Logarithmic] {
            assert!(scale.place(1.0, 1.0, 1e6).abs() < 1e-9);
            assert!((scale.place(1e6, 1.0, 1e6) - 1.0).abs() < 1e-9);
        }
        assert!((Scale::Logarithmic.place(1e3, 1.0, 1e6) - 0.5).abs() < 1e-9);
        assert!((Scale::Linear.place(5.0, 0.0, 10.0) - 0.5).abs() < 1e-9);
        // One point alone.
        assert!((Scale::Linear.place(5.0, 5.0, 5.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn grid_lines_have_round_distances() {
        for (highest, expected) in
            [(1.0, 0.5), (4.0, 1.0), (4.1, 2.0), (13.0, 5.0), (180.0, 50.0), (3400.0, 1000.0)]
        {
            assert!((step(highest) - expected).abs() < 1e-9, "{highest}: {}", step(highest));
        }
        assert!(step(0.0) > 0.0);
        assert_eq!(
            [(3.0, 0.5), (40.0, 20.0), (0.3, 0.1), (2_000.0, 500.0)].map(|(at, step)| tick(at, step)),
            ["3.0", "40", "0.3", "2,000"]
        );
    }

    #[test]
    fn numbers_on_the_axis_are_short() {
        assert_eq!([1.0, 100.0, 19_000.0, 1e6].map(short), ["1", "100", "19k", "1M"]);
    }

    #[test]
    fn a_line_has_gaps_and_its_name_and_last_value_below() {
        let line = |class| Line {
            name: "node <1>".to_owned(),
            class,
            points: vec![(0.0, Some(1.0)), (1.0, None), (2.0, Some(3.0)), (3.0, Some(2.0)), (4.0, None)],
        };
        let drawn = svg("Lines", &[Chart::Lines { title: "lines".to_owned(), lines: vec![line(OWN)] }]);
        assert!(drawn.contains("node &lt;1&gt;, 2.00 at the end"), "{drawn}");
        let path = drawn.lines().find(|line| line.contains("<path class=\"own\"")).unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
    }

    #[test]
    fn a_picture_is_small_and_shows_each_value() {
        let bar = |value| Bar { name: "a < b".to_owned(), value, class: OWN };
        let bars = Chart::Bars { title: "Bars".to_owned(), bars: vec![bar(1234.0), bar(0.5)] };
        let curve = |title: &str| Chart::Curve {
            title: title.to_owned(),
            scale: Scale::Logarithmic,
            points: vec![(1.0, 7.0), (1e3, 8.0), (1e6, 99.0)],
        };
        let charts: Vec<_> = [bars].into_iter().chain((0..9).map(|n| curve(&n.to_string()))).collect();
        let drawn = svg("Figures", &charts);
        for part in ["1,234", "0.500", "a &lt; b", "99.0", "1M", "prefers-color-scheme"] {
            assert!(drawn.contains(part), "{part}");
        }
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        assert_eq!(drawn.matches("<g ").count(), drawn.matches("</g>").count());
        assert!(drawn.len() < 20_000, "{}", drawn.len());
    }
}

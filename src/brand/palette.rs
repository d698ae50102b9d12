//! Legible shades of the brand's colour, for light and dark pages.
//!
//! Buttons are filled with the colour itself, and their text is black or white, whichever has the higher contrast.
//! Links, icons and outlines use a shade that is dark enough, or light enough, for text (WCAG 2.2, 1.4.3). All of it is
//! computed here, so that no browser needs relative colors.

use palette::color_difference::Wcag21RelativeContrast;
use palette::{FromColor, IntoColor, Mix, Oklch, Srgb};

/// WCAG 2.2, 1.4.3 for text, and 1.4.11 for the edge of a control.
const TEXT: f32 = 4.5;
const EDGE: f32 = 3.0;

/// The colours of `app.css` on which text stands, in light and dark.
const LIGHT: Scheme = Scheme { ground: Srgb::new(0xf6, 0xf2, 0xea), card: Srgb::new(0xff, 0xfd, 0xfa) };
const DARK: Scheme = Scheme { ground: Srgb::new(0x17, 0x16, 0x14), card: Srgb::new(0x21, 0x1f, 0x1c) };

/// The brand's colour in `app.css`.
pub const DEFAULT_COLOUR: Srgb<u8> = Srgb::new(0x1d, 0x5b, 0x4f);

const BLACK: Srgb<u8> = Srgb::new(0, 0, 0);
const WHITE: Srgb<u8> = Srgb::new(0xff, 0xff, 0xff);

struct Scheme {
    ground: Srgb<u8>,
    card: Srgb<u8>,
}

/// The shades of one colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    pub colour: Srgb<u8>,
    pub light: Shades,
    pub dark: Shades,
    pub door: Door,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shades {
    /// For links, icons and outlines.
    pub accent: Srgb<u8>,
    /// For what is filled, the same under the pointer, and the text on both.
    pub fill: Srgb<u8>,
    pub fill_strong: Srgb<u8>,
    pub on_fill: Srgb<u8>,
    /// A pale ground for notices and tags.
    pub tint: Srgb<u8>,
    /// The doorway in which signed-out pages stand.
    pub arch: Srgb<u8>,
}

/// The door in the mark and on the start page, in light and dark: its keyhole, which is also the light behind it, and
/// its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Door {
    pub lamp: Srgb<u8>,
    pub rim: Srgb<u8>,
}

impl Palette {
    #[must_use]
    pub fn new(colour: Srgb<u8>) -> Self {
        Self { colour, light: shades(colour, &LIGHT), dark: shades(colour, &DARK), door: door(colour) }
    }

    /// What text in this colour would have as contrast on a light page, if that is too little.
    #[must_use]
    pub fn too_pale(&self) -> Option<f32> {
        let contrast = contrast(self.colour, LIGHT.ground);
        (contrast < TEXT).then_some(contrast)
    }

    /// Sets the custom properties of `app.css`.
    #[must_use]
    pub fn css(&self) -> String {
        let door = properties([("brand", self.colour), ("lamp", self.door.lamp), ("rim", self.door.rim)]);
        let (light, dark) = (self.light.css(), self.dark.css());
        format!(":root{{{door}{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n")
    }
}

impl Shades {
    fn css(&self) -> String {
        properties([
            ("link", self.accent),
            ("fill", self.fill),
            ("fill-strong", self.fill_strong),
            ("on-fill", self.on_fill),
            ("tint", self.tint),
            ("arch", self.arch),
        ])
    }
}

/// The custom properties of `app.css` that get these colours.
fn properties<const N: usize>(colours: [(&str, Srgb<u8>); N]) -> String {
    colours.map(|(name, colour)| format!("--{name}:#{colour:x};")).concat()
}

/// `#rrggbb`.
#[must_use]
pub fn hex(colour: Srgb<u8>) -> String {
    format!("#{colour:x}")
}

fn shades(colour: Srgb<u8>, scheme: &Scheme) -> Shades {
    let tint = mixed(scheme.card, colour, 0.12);
    let arch = mixed(scheme.ground, colour, 0.12);
    let accent = legible(colour, &[scheme.ground, scheme.card, tint, arch], TEXT);
    let is_dark = contrast(scheme.card, WHITE) > contrast(scheme.card, BLACK);
    // On a dark page, a dark button would vanish; on a light one its text and place show it.
    let fill = if is_dark { legible(colour, &[scheme.card, tint], EDGE) } else { colour };
    let on_fill = text_on(fill);
    Shades {
        accent,
        fill,
        // Away from its text, so that the contrast grows.
        fill_strong: mixed(fill, if on_fill == WHITE { BLACK } else { WHITE }, 0.15),
        on_fill,
        tint,
        arch,
    }
}

fn door(colour: Srgb<u8>) -> Door {
    let lamp = legible(mixed(colour, text_on(colour), 0.6), &[colour], EDGE);
    Door { lamp, rim: mixed(colour, lamp, 0.6) }
}

fn text_on(fill: Srgb<u8>) -> Srgb<u8> {
    if contrast(fill, WHITE) >= TEXT { WHITE } else { BLACK }
}

/// The colour, or the nearest lightness of it that has this contrast with each of the grounds.
fn legible(colour: Srgb<u8>, grounds: &[Srgb<u8>], ratio: f32) -> Srgb<u8> {
    let has_contrast = |shade| grounds.iter().all(|ground| contrast(shade, *ground) >= ratio);
    if has_contrast(colour) {
        return colour;
    }
    let darkens = grounds.iter().all(|ground| contrast(*ground, BLACK) > contrast(*ground, WHITE));
    let base = Oklch::from_color(colour.into_format::<f32>());
    // Black or white, at the latest, has it.
    (1..=100_u8)
        .map(|step| {
            let part = f32::from(step) / 100.0;
            let l = if darkens { base.l * (1.0 - part) } else { base.l + (1.0 - base.l) * part };
            // The extremes have no hue; a chroma would leave the range of a screen.
            let chroma = base.chroma * (1.0 - part);
            let shade: Srgb<f32> = Oklch { l, chroma, ..base }.into_color();
            shade.into_format()
        })
        .find(|shade| has_contrast(*shade))
        .unwrap_or(if darkens { BLACK } else { WHITE })
}

fn contrast(one: Srgb<u8>, other: Srgb<u8>) -> f32 {
    one.into_format::<f32>().relative_contrast(other.into_format::<f32>())
}

fn mixed(one: Srgb<u8>, other: Srgb<u8>, part: f32) -> Srgb<u8> {
    one.into_format::<f32>().mix(other.into_format::<f32>(), part).into_format()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const APP_CSS: &str = include_str!("../pages/static/app.css");

    /// The grounds of `app.css`, and the colours of text on them.
    #[derive(Clone, Copy)]
    struct Texts {
        ground: Srgb<u8>,
        card: Srgb<u8>,
        ink: Srgb<u8>,
        soft: Srgb<u8>,
    }

    const TEXTS: [Texts; 2] = [
        Texts {
            ground: LIGHT.ground,
            card: LIGHT.card,
            ink: Srgb::new(0x23, 0x21, 0x1d),
            soft: Srgb::new(0x62, 0x5c, 0x52),
        },
        Texts {
            ground: DARK.ground,
            card: DARK.card,
            ink: Srgb::new(0xec, 0xe8, 0xe0),
            soft: Srgb::new(0xb3, 0xab, 0x9e),
        },
    ];

    #[test]
    fn the_colours_are_those_of_the_stylesheet() {
        let (light, dark) = APP_CSS.split_once("@media (prefers-color-scheme: dark)").unwrap();
        for (css, colours) in [(light, TEXTS[0]), (dark, TEXTS[1])] {
            let Texts { ground, card, ink, soft } = colours;
            for (name, colour) in [("ground", ground), ("card", card), ("ink", ink), ("soft", soft)] {
                let property = format!("--{name}: {};", hex(colour));
                assert!(css.contains(&property), "app.css has no {property}");
            }
        }
    }

    #[test]
    fn each_property_that_is_set_is_one_of_the_stylesheet() {
        let css = Palette::new(Srgb::new(0x1a, 0x4d, 0x8f)).css();
        let names: Vec<&str> = css.split("--").skip(1).filter_map(|part| part.split(':').next()).collect();
        assert_eq!(names.len(), 15);
        for name in names {
            assert!(APP_CSS.contains(&format!("  --{name}: #")), "app.css does not set --{name}");
            assert!(APP_CSS.contains(&format!("var(--{name})")), "app.css does not use --{name}");
        }
    }

    #[test]
    fn a_legible_colour_is_used_as_it_is() {
        let navy = Srgb::new(0x1a, 0x4d, 0x8f);
        let palette = Palette::new(navy);
        assert_eq!((palette.light.accent, palette.light.fill, palette.light.on_fill), (navy, navy, WHITE));
        assert_eq!(palette.too_pale(), None);
        assert_ne!(palette.dark.accent, navy);
    }

    #[test]
    fn a_pale_colour_fills_buttons_and_a_darker_shade_of_it_is_text() {
        let yellow = Srgb::new(0xff, 0xd4, 0x00);
        let palette = Palette::new(yellow);
        assert_eq!((palette.light.fill, palette.light.on_fill), (yellow, BLACK));
        assert!(palette.too_pale().is_some_and(|contrast| contrast < 1.5));
        assert_ne!(palette.light.accent, yellow);
        assert_eq!(palette.dark.accent, yellow);
        assert!(
            palette.css().starts_with(":root{--brand:#ffd400;--lamp:#")
                && palette.css().contains("--fill:#ffd400;")
        );
    }

    proptest! {
        #[test]
        fn every_colour_has_legible_shades(red: u8, green: u8, blue: u8) {
            let palette = Palette::new(Srgb::new(red, green, blue));
            for (shades, scheme) in [(palette.light, TEXTS[0]), (palette.dark, TEXTS[1])] {
                for ground in [scheme.ground, scheme.card, shades.tint, shades.arch] {
                    prop_assert!(contrast(shades.accent, ground) >= TEXT, "{palette:x?}");
                    prop_assert!(contrast(scheme.ink, ground) >= TEXT, "{palette:x?}");
                }
                prop_assert!(contrast(scheme.soft, shades.tint) >= TEXT, "{palette:x?}");
                prop_assert!(contrast(shades.on_fill, shades.fill) >= TEXT);
                prop_assert!(contrast(shades.on_fill, shades.fill_strong) >= TEXT);
            }
            prop_assert!(contrast(palette.dark.fill, DARK.card) >= EDGE);
            prop_assert!(contrast(palette.door.lamp, palette.colour) >= EDGE, "{palette:x?}");
        }
    }
}

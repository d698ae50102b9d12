//! The languages that there are, and which of them a reader understands.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use fluent_bundle::FluentResource;
use unic_langid::LanguageIdentifier;

use super::{Language, accept};
use crate::config::{self, Config};

/// The languages that are compiled in. The first one has every message.
const BUILT_IN: [(&str, [&str; 3]); 2] = [
    (
        "en",
        [
            include_str!("../../locales/en/pages.ftl"),
            include_str!("../../locales/en/errors.ftl"),
            include_str!("../../locales/en/emails.ftl"),
        ],
    ),
    (
        "de",
        [
            include_str!("../../locales/de/pages.ftl"),
            include_str!("../../locales/de/errors.ftl"),
            include_str!("../../locales/de/emails.ftl"),
        ],
    ),
];

/// How a file of messages is named: its language's tag, and this.
const EXTENSION: &str = "ftl";

/// Every language, loaded once at start. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Languages {
    /// In the order of their tags, without the default one.
    all: Arc<[Arc<Language>]>,
    default: Arc<Language>,
}

/// Why the languages cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{path} is not named after a language: its name must be like de.ftl or pt-BR.ftl")]
    NoLanguage { path: PathBuf },
    #[error("{place}, line {line}: {what}")]
    Syntax { place: String, line: usize, what: String },
    #[error("there is no language {tag}: choose one of {known}")]
    Unknown { tag: String, known: String },
}

impl Languages {
    /// The languages that are compiled in, with English as the default.
    ///
    /// # Panics
    /// Never: a test loads them.
    #[must_use]
    pub fn built_in() -> Self {
        // A test loads them.
        Self::load(None, "en").expect("the messages that are compiled in are well-formed")
    }

    /// The languages of a configuration.
    ///
    /// # Errors
    /// A sentence that names the file and the line, or the setting.
    pub fn of(config: &Config) -> Result<Self, String> {
        let config::Pages { language, languages_dir, .. } = &config.pages;
        Self::load(languages_dir.as_deref(), language).map_err(|error| match error {
            TextError::Unknown { .. } => format!("pages.language: {error}"),
            error => format!("pages.languages_dir: {error}"),
        })
    }

    /// Those, and the files of a directory: `xx.ftl` adds a language, or replaces messages of one that is compiled in.
    /// `default` is for readers who understand none of them.
    ///
    /// # Errors
    /// [`TextError`]: a file cannot be read, is named after no language, or has a mistake; `default` is none of the
    /// languages.
    pub fn load(directory: Option<&Path>, default: &str) -> Result<Self, TextError> {
        let mut sources: Vec<(LanguageIdentifier, Vec<(String, String)>)> = Vec::new();
        for (tag, files) in BUILT_IN {
            let files = files.map(|text| (format!("the built-in {tag}"), text.to_owned())).into();
            let id = tag.parse().map_err(|_| TextError::NoLanguage { path: tag.into() })?;
            sources.push((id, files));
        }
        for path in directory.map(files).transpose()?.unwrap_or_default() {
            let text = fs::read_to_string(&path)
                .map_err(|error| TextError::Unreadable { path: path.clone(), error })?;
            let tag = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let id: LanguageIdentifier =
                tag.parse().map_err(|_| TextError::NoLanguage { path: path.clone() })?;
            let file = (path.display().to_string(), text);
            match sources.iter_mut().find(|(known, _)| *known == id) {
                Some((_, files)) => files.push(file),
                None => sources.push((id, vec![file])),
            }
        }
        let mut all: Vec<Arc<Language>> = Vec::new();
        for (id, files) in sources {
            // English comes first, and has every message.
            let mut language = Language::new(id, all.first().cloned());
            for (place, text) in files {
                language.add(parse(&place, text)?);
            }
            all.push(Arc::new(language));
        }
        Self::among(all, default)
    }

    fn among(mut all: Vec<Arc<Language>>, default: &str) -> Result<Self, TextError> {
        for language in all.iter().skip(1) {
            warn_of_gaps(&all[0], language);
        }
        all.sort_by(|one, other| one.tag().cmp(other.tag()));
        let Some(chosen) = all.iter().find(|language| language.tag() == default).cloned() else {
            let known: Vec<&str> = all.iter().map(|language| language.tag()).collect();
            return Err(TextError::Unknown { tag: default.to_owned(), known: known.join(", ") });
        };
        Ok(Self { all: all.into(), default: chosen })
    }

    /// Whether there is more than one to choose from.
    #[must_use]
    pub fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// Every language, in the order of their tags.
    pub fn all(&self) -> impl Iterator<Item = &Language> {
        self.all.iter().map(AsRef::as_ref)
    }

    /// The language for readers who understand no other.
    #[cfg(test)]
    #[must_use]
    pub fn default_language(&self) -> &Language {
        &self.default
    }

    /// The language for someone who wants this one: itself, or the same without region (RFC 4647 section 3.4), or the
    /// same of another region. None if there is nothing like it.
    #[must_use]
    pub fn find(&self, tag: &str) -> Option<&Language> {
        let wanted = tag.replace('_', "-");
        let mut wanted = wanted.as_str();
        loop {
            if let Some(language) = self.all().find(|language| language.tag().eq_ignore_ascii_case(wanted)) {
                return Some(language);
            }
            match wanted.rsplit_once('-') {
                Some((shorter, _)) => wanted = shorter,
                None => break,
            }
        }
        let is_variant = |language: &&Language| {
            language.tag().split('-').next().is_some_and(|own| own.eq_ignore_ascii_case(wanted))
        };
        self.all().find(is_variant)
    }

    /// The language for a reader: the first of the chosen ones that there is, else the first one that the browser asks
    /// for with `Accept-Language`, else the default.
    #[must_use]
    pub fn choose(&self, chosen: &[Option<&str>], accept: Option<&str>) -> &Language {
        let mut chosen = chosen.iter().copied().flatten();
        chosen
            .find_map(|tag| self.find(tag))
            .or_else(|| accept::ranges(accept.unwrap_or_default()).into_iter().find_map(|tag| self.find(tag)))
            .unwrap_or(&self.default)
    }
}

/// The files of messages in a directory, in the order of their names.
fn files(directory: &Path) -> Result<Vec<PathBuf>, TextError> {
    let failed = |error| TextError::Unreadable { path: directory.to_owned(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Parses messages. `place` is named in errors.
fn parse(place: &str, text: String) -> Result<FluentResource, TextError> {
    FluentResource::try_new(text).map_err(|(resource, errors)| {
        let first = errors.first();
        let at = first.map_or(0, |error| error.pos.start).min(resource.source().len());
        let line = resource.source().as_bytes()[..at].split(|byte| *byte == b'\n').count();
        let what = first.map(ToString::to_string).unwrap_or_default();
        TextError::Syntax { place: place.to_owned(), line, what }
    })
}

/// Logs how many messages a language lacks, and those that no page or email uses.
fn warn_of_gaps(english: &Language, language: &Language) {
    let missing: Vec<&str> =
        english.keys().iter().map(String::as_str).filter(|key| !language.has(key)).collect();
    let unknown: Vec<&str> =
        language.keys().iter().map(String::as_str).filter(|key| !english.has(key)).collect();
    let tag = language.tag();
    if let Some(first) = missing.first() {
        tracing::warn!(
            language = tag,
            count = missing.len(),
            first,
            "texts are missing: English is used for them"
        );
    }
    if let Some(first) = unknown.first() {
        tracing::warn!(
            language = tag,
            count = unknown.len(),
            first,
            "unknown message keys in a language file"
        );
    }
}

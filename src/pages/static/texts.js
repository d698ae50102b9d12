// The texts that scripts show, in the language of the page. The page has them beside its scripts, as JSON.

/** @type {Record<string, string>} */
const texts = JSON.parse(document.getElementById("texts")?.textContent || "{}");

/** The language of the page, for dates and numbers. */
export const language = document.documentElement.lang || undefined;

/**
 * A text with its placeholders filled in. From right to left, the server has put isolates round them.
 *
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function text(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** @param {string} key */
export const hasText = (key) => key in texts;

/**
 * The same with an element in the place of `{link}`.
 *
 * @param {string} key
 * @param {Node} link
 * @param {Record<string, string | number>} [values]
 * @returns {(string | Node)[]}
 */
export function textWithLink(key, link, values = {}) {
  const [before, after] = text(key, values).split("{link}");
  return after === undefined ? [before, " ", link] : [before, link, after];
}

// Marks the section of the account page that is in view in its navigation, and keeps that link visible.

/** @type {Map<Element, HTMLAnchorElement>} */
const links = new Map();
for (const each of document.querySelectorAll(".sections a")) {
  const link = /** @type {HTMLAnchorElement} */ (each);
  const section = document.getElementById(link.hash.slice(1));
  if (section) links.set(section, link);
}

/** @param {Element} section */
function mark(section) {
  for (const [each, link] of links) {
    if (each !== section) link.removeAttribute("aria-current");
    else if (!link.hasAttribute("aria-current")) {
      link.setAttribute("aria-current", "true");
      const list = /** @type {HTMLElement} */ (link.closest("ul"));
      const box = link.getBoundingClientRect();
      const frame = list.getBoundingClientRect();
      if (box.left < frame.left || box.right > frame.right) list.scrollBy({ left: box.left - frame.left - frame.width / 3 });
    }
  }
}

/** The section whose link was clicked.
 *
 * @type {Element | null}
 */
let chosen = null;
let due = 0;
function update() {
  due = 0;
  const sections = [...links.keys()];
  const line = Math.min(innerHeight * 0.35, 320);
  const passed = sections.filter((section) => section.getBoundingClientRect().top <= line);
  const end = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  mark(chosen ?? (end ? sections.at(-1) : passed.at(-1)) ?? sections[0]);
}
addEventListener("scroll", () => (due ||= requestAnimationFrame(update)), { passive: true });
// The last sections are too short to reach the top: the one that was clicked is marked until the page is scrolled by hand.
for (const [section, link] of links) link.addEventListener("click", () => { chosen = section; mark(section); });
for (const kind of ["wheel", "touchmove", "keydown"]) addEventListener(kind, () => (chosen = null), { passive: true });
if (links.size > 0) {
  chosen = [...links.keys()].find((section) => `#${section.id}` === location.hash) ?? null;
  update();
}

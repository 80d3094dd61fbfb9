// A picture whose parts are stepped over with a mouse, a finger or the keyboard.

const FAR = 20; // parts that Page Up and Page Down step over

/**
 * To a screen reader the picture is a slider: it reads `tell(part)` out. `show(part)` marks a part,
 * counted from 0, and `find(event)` says which one a pointer is at, -1 for none. `jump(part, by)`
 * says where the up and down keys lead.
 */
function stepping(drawing, label, { count, tell, show, find, jump }) {
  const readout = html("p", { class: "readout" }, "Point at the picture, or focus it and press arrow keys.");
  const picture = html(
    "div",
    { class: "picture", role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 1 },
    drawing,
  );
  let at = 0;

  function step(part) {
    at = Math.min(Math.max(part, 0), count - 1);
    picture.setAttribute("aria-valuenow", at + 1);
    picture.setAttribute("aria-valuetext", tell(at));
    readout.textContent = tell(at);
    show(at);
  }

  function follow(event) {
    const part = find(event);
    if (part >= 0 && part < count) {
      step(part);
    }
  }

  picture.setAttribute("aria-valuemax", count);
  picture.setAttribute("aria-valuenow", 1);
  picture.setAttribute("aria-valuetext", tell(0));
  picture.addEventListener("pointermove", follow);
  picture.addEventListener("pointerdown", follow);
  picture.addEventListener("focus", () => step(at));
  picture.addEventListener("keydown", (event) => {
    const next = {
      ArrowRight: () => at + 1,
      ArrowLeft: () => at - 1,
      ArrowDown: () => jump(at, 1),
      ArrowUp: () => jump(at, -1),
      PageDown: () => at + FAR,
      PageUp: () => at - FAR,
      Home: () => 0,
      End: () => count - 1,
    }[event.key];
    if (next) {
      event.preventDefault();
      step(next());
    }
  });
  return html("figure", {}, picture, readout);
}

"""What every page of a report is held to, in a browser."""

WIDTHS = (360, 768, 1440)
SCHEMES = ("light", "dark")

# Text on its ground, as the Web Content Accessibility Guidelines (1.4.3) count contrast.
POOR_CONTRASTS = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((it) => it / 255)
      .map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : colour;
  };
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.checkVisibility())
    .filter((element) => [...element.childNodes].some((it) => it.nodeType === 3 && it.data.trim()))
    .filter((element) => !element.closest("svg, script, style, noscript"))
    .map((element) => {
      const both = [getComputedStyle(element).color, ground(element)].map(light);
      const [dim, bright] = both.sort((one, other) => one - other);
      return [(bright + 0.05) / (dim + 0.05), element.outerHTML.slice(0, 80)];
    })
    .filter(([contrast]) => contrast < 4.5);
}"""


def overflow(page):
    """The pixels by which a page is wider than its window."""
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return page.evaluate(wide)


def focusable(page):
    """(role, whether it has a name) of all that takes the focus, as a screen reader has it."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    return {
        (node["role"]["value"], bool(node["name"]["value"]))
        for node in nodes
        if any(it["name"] == "focusable" for it in node.get("properties", ()))
    }

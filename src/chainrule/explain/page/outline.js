/* The graph as a list, for the keyboard, for screen readers and for finding one's way: a tree of groups and operations. */

class Outline {
  constructor(nav, model, folding, actions) {
    Object.assign(this, { nav, model, folding, actions, chosen: null });
    nav.addEventListener("keydown", (e) => this.key(e));
  }

  get shown() { return !this.nav.hidden; }

  toggle() {
    this.nav.hidden = !this.nav.hidden;
    if (this.shown) this.build();
  }

  /* Write the list anew, after groups have opened or folded. */
  build() {
    if (!this.shown) return;
    this.entries = new Map();
    this.nav.replaceChildren(make("h2", {}, "Outline"), this.list(-1, 1));
    this.choose(this.chosen);
  }

  list(group, level) {
    const role = level === 1 ? "tree" : "group";
    return make("ul", { role, "aria-label": level === 1 ? "Operations and groups" : null }, this.folding.children(group).map((item) => this.entry(item, level)));
  }

  entry(item, level) {
    const group = this.folding.isGroup(item), g = group ? this.folding.groupOf(item) : -1, open = group && this.folding.open[g];
    const text = group ? `${this.folding.label(item)} · ${this.folding.subtitle(g)}` : this.model.kind[item] === LEAF ? this.model.cardLabel(item) : this.model.label(item);
    const row = make("span", { class: `entry ${group ? "is-group" : ["op", "leaf", "data"][this.model.kind[item]]}` },
      make("span", { class: "sign", "aria-hidden": "true" }, group ? (open ? "−" : "+") : ""), make("span", {}, text));
    const found = make("li", { role: "treeitem", tabindex: "-1", "aria-level": level, "aria-expanded": group ? String(Boolean(open)) : null, "aria-selected": "false" }, row);
    row.addEventListener("click", () => { if (group) this.actions.toggle(item); else this.actions.choose(item, true); });
    if (open) found.append(this.list(g, level + 1));
    this.entries.set(item, found);
    return found;
  }

  choose(item) {
    this.chosen = item;
    if (!this.shown || !this.entries) return;
    for (const li of this.nav.querySelectorAll('[aria-selected="true"], [tabindex="0"]')) {
      li.setAttribute("aria-selected", "false");
      li.tabIndex = -1;
    }
    const li = this.entries.get(item) || this.entries.values().next().value;
    if (!li) return;
    li.tabIndex = 0;
    if (this.entries.has(item)) {
      li.setAttribute("aria-selected", "true");
      li.firstElementChild.scrollIntoView({ block: "nearest" });
    }
  }

  itemOf(li) {
    for (const [item, entry] of this.entries) if (entry === li) return item;
    return null;
  }

  key(e) {
    const li = e.target.closest("[role=treeitem]");
    if (!li) return;
    const item = this.itemOf(li), all = [...this.nav.querySelectorAll("[role=treeitem]")], at = all.indexOf(li);
    const group = this.folding.isGroup(item), open = group && this.folding.open[this.folding.groupOf(item)];
    const go = (target) => { if (target) { li.tabIndex = -1; target.tabIndex = 0; target.focus(); } };
    const again = () => { this.actions.toggle(item); const now = this.entries.get(item); if (now) go(now); };
    if (e.key === "ArrowDown") go(all[at + 1]);
    else if (e.key === "ArrowUp") go(all[at - 1]);
    else if (e.key === "Home") go(all[0]);
    else if (e.key === "End") go(all[all.length - 1]);
    else if (e.key === "ArrowRight") { if (group && !open) again(); else if (open) go(all[at + 1]); }
    else if (e.key === "ArrowLeft") { if (open) again(); else go(li.parentElement.closest("[role=treeitem]")); }
    else if (e.key === "Enter" || e.key === " ") { if (group) again(); else this.actions.choose(item, true); }
    else return;
    e.preventDefault();
    e.stopPropagation();
  }
}

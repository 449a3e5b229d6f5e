/* Explorer: the choices, the two pictures, the pointer, the keyboard and the table of facts. */

const MOST_TABLE_ROWS = 2000;

class Explorer {
  constructor(root, instances) {
    this.root = root;
    this.instances = instances;
    this.find = (name) => root.querySelector(`[data-part="${name}"]`);
    this.before = new Picture(this.find("before"), (n) => this.nameOf(n), (p) => this.titleOf(p));
    this.after = new Picture(this.find("after"), (n) => this.nameOf(n), (p) => this.titleOf(p));
    this.pictures = [this.before, this.after];
    this.marked = null;
    this.fillInstances();
    for (const name of ["instance", "objective", "left", "right", "panel"]) {
      this.find(name).addEventListener("change", () => this.changed(name));
    }
    this.pictures.forEach((picture) => new Hand(this, picture));
    const buttons = { in: 1.6, out: 1 / 1.6 };
    for (const [name, factor] of Object.entries(buttons)) {
      this.find(name).addEventListener("click", () => this.zoomMiddle(factor));
    }
    this.find("fit").addEventListener("click", () => this.fit());
    this.find("facts").addEventListener("toggle", () => this.fillFacts());
    new ResizeObserver(() => this.redraw()).observe(this.find("before"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.changed("instance");
  }

  nameOf(access) {
    const { id, required } = this.instance.accesses[access];
    return required ? `${id} !` : id;
  }

  titleOf(arranged) {
    return this.panelName(arranged.panel);
  }

  panelName(panel) {
    const names = panel.tensors.map((tensor) => this.instance.tensors[tensor].id);
    const shown = names.length > 4 ? [...names.slice(0, 2), `${names.length - 3} more`, names.at(-1)] : names;
    return shown.join(" + ");
  }

  fillInstances() {
    const select = this.find("instance");
    const groups = new Map();
    this.instances.forEach((instance, number) => {
      if (!groups.has(instance.family)) {
        const group = document.createElement("optgroup");
        group.label = instance.family;
        groups.set(instance.family, group);
        select.append(group);
      }
      groups.get(instance.family).append(new Option(instance.name, String(number)));
    });
  }

  /** A choice was made: load what it needs, and set the choices that depend on it. */
  async changed(name) {
    const turn = (this.turn = (this.turn || 0) + 1);
    this.root.setAttribute("aria-busy", "true");
    const steps = ["instance", "objective", "left", "panel"];
    const from = name === "right" ? 2 : steps.indexOf(name);
    if (from === 0) {
      const instance = this.instances[Number(this.find("instance").value)];
      const wants = await unpackedWants(instance);
      if (turn !== this.turn) {
        return;
      }
      this.instance = instance;
      this.wants = wants;
      this.placed = placedChannels(instance, wants);
      this.panels = panelsOf(instance);
      this.orders = new Map();
      fill(this.find("objective"), instance.before.map((each) => [each.objective, each.objective]));
      this.fillPanels();
    }
    if (from <= 1) {
      this.fillLayouts();
    }
    const sides = [this.chosen("left"), this.chosen("right")];
    const orders = await Promise.all(sides.map((each) => this.ordersOf(each)));
    if (turn !== this.turn) {
      return;
    }
    this.sides = sides;
    this.arrange(orders, from !== 2);
    this.root.setAttribute("aria-busy", "false");
  }

  fillLayouts() {
    const objective = this.find("objective").value;
    const { layouts, before } = this.instance;
    const original = before.find((each) => each.objective === objective);
    const found = layouts.filter((each) => each.objective === objective);
    const cost = (each) => (each.cost === null ? "not allowed" : each.cost.toLocaleString("en"));
    this.options = [original, ...found];
    const texts = [
      `original order: ${cost(original)}`,
      ...found.map((each) => `${each.solver}: ${cost(each)}`),
    ];
    const choices = texts.map((text, number) => [String(number), text]);
    fill(this.find("left"), choices);
    fill(this.find("right"), choices);
    let best = 1;
    found.forEach((each, number) => {
      if (each.cost < found[best - 1].cost) {
        best = number + 1;
      }
    });
    this.find("left").value = "0";
    this.find("right").value = String(found.length > 0 ? best : 0);
  }

  fillPanels() {
    const choices = this.panels.map((panel, number) => [
      String(number),
      `${this.panelName(panel)} (${panel.accesses.length})`,
    ]);
    if (this.panels.length > 1) {
      choices.unshift(["all", `all ${this.panels.length} side by side`]);
    }
    fill(this.find("panel"), choices);
    if (this.panels.length > 6) {
      const costs = this.panels.map((panel) =>
        panel.accesses.reduce((sum, access) => sum + this.instance.before[0].costs[access], 0),
      );
      this.find("panel").value = String(costs.indexOf(Math.max(...costs)));
    }
  }

  chosen(side) {
    return this.options[Number(this.find(side).value)];
  }

  async ordersOf(layout) {
    if (!this.orders.has(layout)) {
      this.orders.set(layout, await unpackedOrders(this.instance, layout));
    }
    return this.orders.get(layout);
  }

  arrange(orders, fresh) {
    const choice = this.find("panel").value;
    const chosen = choice === "all" ? this.panels : [this.panels[Number(choice)]];
    const [left, right] = orders.map((each) =>
      chosen.map((panel) => arrangedPanel(panel, this.instance, this.wants, this.placed, each)),
    );
    // Rows in the order in which the layout on the right places them, the same on both sides.
    right.forEach((arranged, number) => {
      const places = arranged.rows.map((row, place) => [row.first, row.last, place]);
      places.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
      arranged.rows = places.map((each) => arranged.rows[each[2]]);
      left[number].rows = places.map((each) => left[number].rows[each[2]]);
    });
    const scenes = [new Scene(left), new Scene(right)];
    if (fresh || !this.view) {
      this.view = new Frame(scenes[1]);
      this.marked = null;
    }
    this.pictures.forEach((picture, side) => picture.show(scenes[side], this.view));
    const high = MARGIN.top + MARGIN.bottom + clamp(scenes[0].rows * ROW.most, 66, 360);
    this.pictures.forEach((picture) => {
      picture.canvas.style.height = `${high}px`;
    });
    ["before-title", "after-title"].forEach((name, side) => this.describe(name, side));
    this.fillFacts();
    this.say(this.marked === null ? null : this.after.scene.at(this.marked.x, this.marked.y), 1);
    this.redraw();
  }

  describe(name, side) {
    const layout = this.sides[side];
    const rows = this.pictures[side].scene.panels.flatMap((each) => each.arranged.rows);
    const runs = rows.reduce((sum, row) => sum + row.runs, 0);
    const views = rows.filter((row) => layout.modes[row.access] === "view").length;
    const cost = rows.reduce((sum, row) => sum + layout.costs[row.access], 0);
    const who = layout.solver === undefined ? "original order" : layout.solver;
    const broken = rows.filter((row) => layout.modes[row.access] === null).length;
    const refused = broken > 0 ? `, ${broken} that must be views and are none` : "";
    const proof = layout.status === "optimal" ? ", proven optimal" : "";
    const text =
      `${isolated(who)}${proof}: ${views} of ${rows.length} views, ` +
      `${runs.toLocaleString("en")} runs, cost ${cost.toLocaleString("en")}${refused}`;
    this.find(name).textContent = text;
    this.pictures[side].canvas.setAttribute("aria-label", `Accesses by positions. ${text}`);
  }

  redraw() {
    if (this.queued || !this.view) {
      return;
    }
    this.queued = true;
    requestAnimationFrame(() => {
      this.queued = false;
      const { marked } = this;
      for (const picture of this.pictures) {
        picture.draw(marked === null ? null : picture.scene.at(marked.x, marked.y));
        picture.canvas.style.touchAction = this.view.isWhole ? "pan-y" : "none";
      }
      this.root.dataset.window = [this.view.x, this.view.y, this.view.width, this.view.height]
        .map((each) => each.toFixed(2))
        .join(" ");
    });
  }

  zoomMiddle(factor) {
    const { x, y } = this.marked || {
      x: this.view.x + this.view.width / 2,
      y: this.view.y + this.view.height / 2,
    };
    this.zoom(factor, x, y);
  }

  zoom(factor, x, y) {
    this.view.zoom(factor, x, y, this.after.box.height);
    this.redraw();
  }

  fit() {
    this.view.fit();
    this.redraw();
  }

  /** Mark a place of the scene, or nothing, and say what is there in the picture at `side`. */
  mark(place, side) {
    this.marked = place;
    this.say(place === null ? null : this.pictures[side].scene.at(place.x, place.y), side);
    this.redraw();
  }

  say(found, side) {
    const readout = this.find("readout");
    if (found === null) {
      readout.textContent = readout.dataset.hint;
      return;
    }
    const { arranged, position, row } = found;
    const { access, cells, runs, size } = arranged.rows[row];
    const layout = this.sides[side];
    const { tensor, channel } = channelAt(arranged, position);
    const mode = layout.modes[access];
    const served = mode === null ? "must be a view and is none" : mode;
    const wanted = cells[position] === NOTHING ? "not wanted" : "wanted";
    readout.replaceChildren(
      bold(this.nameOf(access)),
      ` (${this.instance.accesses[access].role}): ${runs} ${runs === 1 ? "run" : "runs"} of ` +
        `${size} channels, ${served}, cost ${layout.costs[access].toLocaleString("en")}. ` +
        `Position ${position.toLocaleString("en")}: channel ${channel} of `,
      bold(this.instance.tensors[tensor].id),
      `, ${wanted}.`,
    );
  }

  /** The same in words: a row per access of the panels shown. */
  fillFacts() {
    const table = this.find("facts-rows");
    table.replaceChildren();
    if (!this.find("facts").open) {
      return;
    }
    const [left, right] = this.pictures.map((picture) =>
      picture.scene.panels.flatMap((each) => each.arranged.rows),
    );
    left.slice(0, MOST_TABLE_ROWS).forEach((row, number) => {
      const line = document.createElement("tr");
      const name = document.createElement("th");
      name.scope = "row";
      name.append(bdi(this.nameOf(row.access)));
      line.append(name, cell(row.size));
      [row, right[number]].forEach((each, side) => {
        const layout = this.sides[side];
        line.append(cell(each.runs), cell(layout.modes[each.access] || "not allowed"));
        line.append(cell(layout.costs[each.access]));
      });
      table.append(line);
    });
    const more = left.length - MOST_TABLE_ROWS;
    this.find("facts-more").textContent = more > 0 ? `${more} more accesses are not listed.` : "";
  }
}

function fill(select, choices) {
  select.replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
}

function bdi(text) {
  const element = document.createElement("bdi");
  element.textContent = text;
  return element;
}

function bold(text) {
  const element = document.createElement("strong");
  element.append(bdi(text));
  return element;
}

function cell(value) {
  const element = document.createElement("td");
  element.textContent = typeof value === "number" ? value.toLocaleString("en") : value;
  element.className = typeof value === "number" ? "right" : "";
  return element;
}

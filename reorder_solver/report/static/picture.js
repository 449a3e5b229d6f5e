/* Picture: draws arranged panels side by side on a canvas, at any zoom. */

const MARGIN = { top: 20, bottom: 18, right: 2 };
const ROW = { least: 11, most: 22 };

/** Where everything is: panels end to end with gaps, rows from the top. */
class Scene {
  constructor(panels) {
    const total = panels.reduce((sum, each) => sum + each.width, 0);
    this.gap = panels.length > 1 ? Math.max(1, Math.round(total / 60)) : 0;
    this.panels = [];
    let left = 0;
    for (const arranged of panels) {
      this.panels.push({ arranged, left });
      left += arranged.width + this.gap;
    }
    this.width = Math.max(1, left - this.gap);
    this.rows = Math.max(1, ...panels.map((each) => each.rows.length));
  }

  /** The panel, position and row at a place of the scene, or null. */
  at(x, y) {
    for (const { arranged, left } of this.panels) {
      const position = Math.floor(x - left);
      const row = Math.floor(y);
      if (position >= 0 && position < arranged.width && row >= 0 && row < arranged.rows.length) {
        return { arranged, left, position, row };
      }
    }
    return null;
  }
}

/** The part of a scene that is shown; shared by both pictures. */
class Frame {
  constructor(scene) {
    this.scene = scene;
    this.fit();
  }

  fit() {
    Object.assign(this, { x: 0, y: 0, width: this.scene.width, height: this.scene.rows });
  }

  get isWhole() {
    return this.width >= this.scene.width && this.height >= this.scene.rows;
  }

  /** Zoom by a factor (above 1: closer) around a place of the scene that stays where it is. */
  zoom(factor, x, y, pixelsHigh) {
    const leastWidth = Math.min(8, this.scene.width);
    const leastHeight = Math.min(this.scene.rows, Math.max(1, pixelsHigh / ROW.most));
    const width = clamp(this.width / factor, leastWidth, this.scene.width);
    const height = clamp(this.height / factor, leastHeight, this.scene.rows);
    this.x = x - ((x - this.x) * width) / this.width;
    this.y = y - ((y - this.y) * height) / this.height;
    this.width = width;
    this.height = height;
    this.pan(0, 0);
  }

  /** Move by cells, never past an edge. */
  pan(right, down) {
    this.x = clamp(this.x + right, 0, this.scene.width - this.width);
    this.y = clamp(this.y + down, 0, this.scene.rows - this.height);
  }

  /** Move as little as needed to show a cell. */
  reveal(x, y) {
    this.x = clamp(this.x, x + 1 - this.width, x);
    this.y = clamp(this.y, y + 1 - this.height, y);
    this.pan(0, 0);
  }
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), Math.max(low, high));
}

/** Names stay in their own direction, whatever script they are in. */
function isolated(text) {
  return `\u2068${text}\u2069`;
}

/** Four channels of 8 bits, in the order of ImageData, as one number. */
function rgb(style, name) {
  const hex = style.getPropertyValue(name).trim().replace("#", "");
  return [0, 2, 4].map((place) => parseInt(hex.slice(place, place + 2), 16));
}

class Picture {
  /**
   * @param canvas - where to draw
   * @param nameOf - the name of an access, by its number
   * @param titleOf - the title of an arranged panel
   */
  constructor(canvas, nameOf, titleOf) {
    Object.assign(this, { canvas, nameOf, titleOf });
    this.context = canvas.getContext("2d");
  }

  show(scene, view) {
    this.scene = scene;
    this.view = view;
  }

  /** Pixels (of the style sheet) around the cells: names on the left where there is one panel. */
  get box() {
    const wide = this.canvas.clientWidth;
    const high = this.canvas.clientHeight - MARGIN.top - MARGIN.bottom;
    const named = this.scene.panels.length === 1 && high / this.view.height >= ROW.least;
    const left = named ? Math.min(190, Math.round(wide * 0.3)) : 0;
    return { left, top: MARGIN.top, width: wide - left - MARGIN.right, height: high, named };
  }

  /** The place of the scene under a place of the canvas. */
  sceneAt(x, y) {
    const { left, top, width, height } = this.box;
    return {
      x: this.view.x + ((x - left) / width) * this.view.width,
      y: this.view.y + ((y - top) / height) * this.view.height,
      inside: x >= left && x < left + width && y >= top && y < top + height,
    };
  }

  /** The reverse of sceneAt. */
  canvasAt(x, y) {
    const { left, top, width, height } = this.box;
    return {
      x: left + ((x - this.view.x) / this.view.width) * width,
      y: top + ((y - this.view.y) / this.view.height) * height,
    };
  }

  draw(marked) {
    const ratio = window.devicePixelRatio || 1;
    const { canvas, context } = this;
    const wide = Math.round(canvas.clientWidth * ratio);
    const high = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
    }
    this.style = getComputedStyle(canvas);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    this.cells = this.cellsAt(ratio);
    this.context.putImageData(
      this.cells.image,
      Math.round(this.box.left * ratio),
      Math.round(this.box.top * ratio),
    );
    this.drawTitles();
    this.drawBoundaries();
    this.drawTicks();
    if (this.box.named) {
      this.drawNames();
    }
    if (marked) {
      this.drawMark(marked);
    }
  }

  /** The cells as an image, made anew where something changed: a pixel shows the share of each kind among those it stands for. */
  cellsAt(ratio) {
    const box = this.box;
    const wide = Math.max(1, Math.round(box.width * ratio));
    const high = Math.max(1, Math.round(box.height * ratio));
    const { x, y, width, height } = this.view;
    const key = [wide, high, x, y, width, height, this.style.getPropertyValue("--cell")].join(" ");
    if (this.cells && this.cells.scene === this.scene && this.cells.key === key) {
      return this.cells;
    }
    const image = this.context.createImageData(wide, high);
    const rowPixels = high / this.view.height;
    let line = null;
    let drawn = "";
    for (let pixel = 0; pixel < high; pixel += 1) {
      const from = this.view.y + pixel / rowPixels;
      const first = Math.floor(from);
      const end = Math.max(first + 1, Math.floor(from + 1 / rowPixels));
      const between = rowPixels >= 5 && (from - first) * rowPixels >= rowPixels - Math.max(1, ratio);
      if (between) {
        continue;
      }
      if (drawn !== `${first} ${end}`) {
        line = this.line(first, end, wide);
        drawn = `${first} ${end}`;
      }
      image.data.set(line, pixel * wide * 4);
    }
    return { scene: this.scene, key, image };
  }

  /** The pixels of a line that stands for the rows from `first` up to `end`. */
  line(first, end, wide) {
    const paints = ["--cell", "--view", "--first", "--further"].map((each) => rgb(this.style, each));
    const pixels = new Uint8ClampedArray(wide * 4);
    const step = this.view.width / wide;
    for (const { arranged, left } of this.scene.panels) {
      const from = Math.max(0, Math.floor((left - this.view.x) / step));
      const to = Math.min(wide, Math.ceil((left + arranged.width - this.view.x) / step));
      const rows = arranged.rows.slice(first, end);
      for (let pixel = from; pixel < to && rows.length > 0; pixel += 1) {
        const start = this.view.x + pixel * step - left;
        const low = Math.max(0, Math.floor(start));
        const high = Math.min(arranged.width, Math.max(low + 1, Math.floor(start + step)));
        if (high > low && start + step > 0) {
          paint(pixels, pixel * 4, rows, low, high, paints);
        }
      }
    }
    return pixels;
  }

  drawTitles() {
    const { context, box } = this;
    context.font = `600 12px ${this.style.fontFamily}`;
    context.fillStyle = this.style.getPropertyValue("--ink");
    context.textBaseline = "middle";
    for (const { arranged, left } of this.scene.panels) {
      const start = Math.max(box.left, this.canvasAt(left, 0).x);
      const end = Math.min(box.left + box.width, this.canvasAt(left + arranged.width, 0).x);
      if (end - start > 30) {
        this.text(this.titleOf(arranged), start, 9, end - start);
      }
    }
  }

  /** Where one part of a concatenation ends and the next begins. */
  drawBoundaries() {
    const { context, box } = this;
    context.fillStyle = this.style.getPropertyValue("--ink");
    for (const { arranged, left } of this.scene.panels) {
      let place = left;
      for (const block of arranged.blocks.slice(0, -1)) {
        place += block;
        const { x } = this.canvasAt(place, 0);
        if (x > box.left && x < box.left + box.width) {
          context.fillRect(Math.round(x), box.top, 1, box.height);
        }
      }
    }
  }

  drawTicks() {
    const { context, box } = this;
    context.font = `11px ${this.style.fontFamily}`;
    context.fillStyle = this.style.getPropertyValue("--soft");
    const bare = (this.view.width / box.width) * 70;
    const power = 10 ** Math.floor(Math.log10(Math.max(bare, 1)));
    const step = Math.max(1, [1, 2, 5, 10].find((each) => each * power >= bare) * power);
    for (const { arranged, left } of this.scene.panels) {
      for (let tick = 0; tick < arranged.width; tick += step) {
        const { x } = this.canvasAt(left + tick, 0);
        const room = tick === 0 || tick + step / 3 < arranged.width;
        if (x >= box.left - 1 && x < box.left + box.width - 20 && room) {
          context.fillRect(Math.round(x), box.top + box.height, 1, 4);
          context.fillText(tick.toLocaleString("en"), x + 3, box.top + box.height + 11);
        }
      }
    }
  }

  drawNames() {
    const { context, box } = this;
    const { rows } = this.scene.panels[0].arranged;
    context.font = `12px ${this.style.fontFamily}`;
    context.fillStyle = this.style.getPropertyValue("--ink");
    const end = Math.min(rows.length, Math.ceil(this.view.y + this.view.height));
    for (let row = Math.max(0, Math.floor(this.view.y)); row < end; row += 1) {
      const { y } = this.canvasAt(0, row + 0.5);
      if (y > box.top && y < box.top + box.height) {
        this.text(this.nameOf(rows[row].access), 0, y, box.left - 8);
      }
    }
  }

  drawMark({ left, position, row }) {
    const { context, box } = this;
    const corner = this.canvasAt(left + position, row);
    const opposite = this.canvasAt(left + position + 1, row + 1);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    context.strokeStyle = this.style.getPropertyValue("--ink");
    context.globalAlpha = 0.35;
    context.strokeRect(box.left, corner.y, box.width, opposite.y - corner.y);
    context.globalAlpha = 1;
    const wide = Math.max(3, opposite.x - corner.x);
    const high = Math.max(3, opposite.y - corner.y);
    context.lineWidth = 2;
    context.strokeRect(corner.x, corner.y, wide, high);
    context.restore();
  }

  /** Text cut to a width; the end, which tells names apart, stays longest. */
  text(full, x, y, width) {
    const all = [...full];
    let keep = all.length;
    let shown = full;
    while (keep > 1 && this.context.measureText(shown).width > width) {
      keep = Math.floor(keep * 0.9);
      const tail = Math.ceil((keep * 2) / 3);
      shown = `${all.slice(0, keep - tail).join("")}…${all.slice(-tail).join("")}`;
    }
    this.context.fillText(isolated(shown), x, y);
  }
}

/** One pixel from the cells of some rows between two positions; few wanted ones are still seen. */
function paint(pixels, at, rows, low, high, paints) {
  const counts = [0, 0, 0, 0];
  for (const { cells } of rows) {
    for (let place = low; place < high; place += 1) {
      counts[cells[place]] += 1;
    }
  }
  const all = rows.length * (high - low);
  const wanted = 1 - counts[NOTHING] / all;
  const stress = wanted > 0 ? wanted ** -0.4 : 0;
  for (let channel = 0; channel < 3; channel += 1) {
    let value = paints[0][channel];
    for (let kind = 1; kind < 4; kind += 1) {
      value += ((stress * counts[kind]) / all) * (paints[kind][channel] - paints[0][channel]);
    }
    pixels[at + channel] = value;
  }
  pixels[at + 3] = 255;
}

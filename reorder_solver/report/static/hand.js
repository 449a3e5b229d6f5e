/* Hand: pointer, wheel, pinch and keyboard on one picture. */

class Hand {
  constructor(explorer, picture) {
    Object.assign(this, { explorer, picture, pointers: new Map() });
    this.side = explorer.pictures.indexOf(picture);
    const { canvas } = picture;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.up(event));
    canvas.addEventListener("pointerleave", () => this.leave());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("dblclick", (event) => this.zoomAt(2, event));
  }

  place(event) {
    const frame = this.picture.canvas.getBoundingClientRect();
    return this.picture.sceneAt(event.clientX - frame.left, event.clientY - frame.top);
  }

  zoomAt(factor, event) {
    const { x, y } = this.place(event);
    this.explorer.zoom(factor, x, y);
  }

  down(event) {
    this.picture.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    this.hover(event);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
  }

  leave() {
    if (this.pointers.size === 0 && document.activeElement !== this.picture.canvas) {
      this.explorer.mark(null, this.side);
    }
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (before === undefined) {
      this.hover(event);
      return;
    }
    if (this.pointers.size === 2) {
      this.pinch(event);
    } else {
      this.drag(before, event);
    }
    this.pointers.set(event.pointerId, event);
  }

  drag(before, event) {
    const [from, to] = [this.place(before), this.place(event)];
    this.explorer.view.pan(from.x - to.x, from.y - to.y);
    this.explorer.redraw();
  }

  pinch(event) {
    const other = [...this.pointers.values()].find((one) => one.pointerId !== event.pointerId);
    const before = this.pointers.get(event.pointerId);
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    const middle = {
      clientX: (event.clientX + other.clientX) / 2,
      clientY: (event.clientY + other.clientY) / 2,
    };
    if (apart(before) > 0) {
      this.zoomAt(apart(event) / apart(before), middle);
    }
  }

  hover(event) {
    const { x, y, inside } = this.place(event);
    this.explorer.mark(inside ? { x, y } : null, this.side);
  }

  /** The page keeps scrolling unless the picture was chosen, or control is held. */
  wheel(event) {
    const chosen = document.activeElement === this.picture.canvas || event.ctrlKey || event.metaKey;
    if (!chosen || (event.deltaY > 0 && this.explorer.view.isWhole && !event.ctrlKey)) {
      return;
    }
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const pixels = event.deltaX || event.deltaY;
      this.explorer.view.pan((pixels / this.picture.box.width) * this.explorer.view.width, 0);
      this.explorer.redraw();
      return;
    }
    const pixels = event.deltaMode === 1 ? event.deltaY * 24 : event.deltaY;
    this.zoomAt(Math.exp(clamp(-pixels, -240, 240) / 400), event);
  }

  key(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { explorer } = this;
    if (event.key in arrows) {
      const far = event.shiftKey ? 10 : 1;
      this.step(arrows[event.key][0] * far, arrows[event.key][1] * far);
    } else if (event.key === "+" || event.key === "=") {
      explorer.zoomMiddle(1.6);
    } else if (event.key === "-") {
      explorer.zoomMiddle(1 / 1.6);
    } else if (event.key === "0") {
      explorer.fit();
    } else if (event.key === "Escape") {
      explorer.mark(null, this.side);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** Move the marked cell; the window follows. */
  step(right, down) {
    const { explorer } = this;
    const { scene } = this.picture;
    const { view } = explorer;
    const from = explorer.marked || { x: view.x - right, y: view.y - down };
    const x = clamp(Math.floor(from.x) + right, 0, scene.width - 1) + 0.5;
    const y = clamp(Math.floor(from.y) + down, 0, scene.rows - 1) + 0.5;
    view.reveal(x - 0.5, y - 0.5);
    explorer.mark({ x, y }, this.side);
  }
}

/* Layouts: unpacking what the page holds, and who wants which position. No drawing here. */

/** Integers in 7-bit groups, deflated, in base64. */
async function unpackedNumbers(text) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  const numbers = new Uint32Array(raw.length);
  let count = 0;
  for (let place = 0; place < raw.length; count += 1) {
    let shift = 0;
    let byte;
    do {
      byte = raw[place];
      place += 1;
      numbers[count] |= (byte & 127) << shift;
      shift += 7;
    } while (byte > 127);
  }
  return numbers.subarray(0, count);
}

/** Per access and part the wanted channels, ascending. */
async function unpackedWants(instance) {
  const numbers = await unpackedNumbers(instance.wanted);
  let place = 0;
  return instance.accesses.map((access) =>
    access.parts.map(() => {
      const channels = new Uint32Array(numbers[place]);
      place += 1;
      let channel = -1;
      for (let each = 0; each < channels.length; each += 1, place += 1) {
        channel += numbers[place] + 1;
        channels[each] = channel;
      }
      return channels;
    }),
  );
}

/** Per tensor its channels position by position; the original order without a layout. */
async function unpackedOrders(instance, layout) {
  const steps = layout.order === undefined ? null : await unpackedNumbers(layout.order);
  let place = 0;
  return instance.tensors.map((tensor) => {
    const order = new Uint32Array(tensor.channels);
    let channel = -1;
    for (let each = 0; each < order.length; each += 1) {
      const step = steps === null ? 0 : steps[place];
      channel += 1 + (step & 1 ? -((step + 1) / 2) : step / 2);
      order[each] = channel;
      place += 1;
    }
    return order;
  });
}

/** The panels of an instance: accesses that see the same tensors in the same order. */
function panelsOf(instance) {
  const panels = new Map();
  instance.accesses.forEach((access, number) => {
    const key = access.parts.join(" ");
    if (!panels.has(key)) {
      panels.set(key, { tensors: access.parts, accesses: [] });
    }
    panels.get(key).accesses.push(number);
  });
  return [...panels.values()];
}

/** Channels that take up a position: the wanted ones, and all of a fixed tensor. */
function placedChannels(instance, wants) {
  const placed = instance.tensors.map((tensor) =>
    new Uint8Array(tensor.channels).fill(tensor.fixed ? 1 : 0),
  );
  instance.accesses.forEach((access, number) =>
    access.parts.forEach((tensor, part) => {
      for (const channel of wants[number][part]) {
        placed[tensor][channel] = 1;
      }
    }),
  );
  return placed;
}

const NOTHING = 0;
const VIEW = 1;
const FIRST_RUN = 2;
const FURTHER_RUN = 3;

/**
 * A panel under a layout: per row (access) and position what is there, and the runs.
 * @returns {{width, blocks, channels, tensorAt, rows: [{access, cells, runs, span, size}]}}
 */
function arrangedPanel(panel, instance, wants, placed, orders) {
  const kept = panel.tensors.map((tensor) => orders[tensor].filter((one) => placed[tensor][one]));
  const blocks = kept.map((each) => each.length);
  const width = blocks.reduce((sum, each) => sum + each, 0);
  let offset = 0;
  const ranks = panel.tensors.map((tensor, part) => {
    const rank = new Uint32Array(instance.tensors[tensor].channels);
    kept[part].forEach((channel, place) => {
      rank[channel] = offset + place;
    });
    offset += blocks[part];
    return rank;
  });
  const rows = panel.accesses.map((access) => arrangedRow(access, wants[access], ranks, width));
  return { panel, width, blocks, kept, rows };
}

function arrangedRow(access, parts, ranks, width) {
  const cells = new Uint8Array(width);
  let size = 0;
  parts.forEach((channels, part) => {
    size += channels.length;
    for (const channel of channels) {
      cells[ranks[part][channel]] = FIRST_RUN;
    }
  });
  const starts = [];
  let last = -1;
  for (let place = 0; place < width; place += 1) {
    if (cells[place] !== NOTHING) {
      if (place === 0 || cells[place - 1] === NOTHING) {
        starts.push(place);
      }
      if (starts.length > 1) {
        cells[place] = FURTHER_RUN;
      }
      last = place;
    }
  }
  if (starts.length <= 1) {
    for (let place = 0; place < width; place += 1) {
      cells[place] = cells[place] === NOTHING ? NOTHING : VIEW;
    }
  }
  const first = starts.length === 0 ? width : starts[0];
  return { access, cells, size, runs: starts.length, first, last };
}

/** The tensor and channel at a position of an arranged panel. */
function channelAt(arranged, position) {
  let place = position;
  for (let part = 0; part < arranged.blocks.length; part += 1) {
    if (place < arranged.blocks[part]) {
      return { tensor: arranged.panel.tensors[part], channel: arranged.kept[part][place] };
    }
    place -= arranged.blocks[part];
  }
  return null;
}

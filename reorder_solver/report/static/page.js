/* Page: tables that sort, legends that point out a solver, and the start of the explorer. */

function sortTable(table, column, descending) {
  const body = table.tBodies[0];
  const value = (row) => {
    const text = row.cells[column].dataset.sort;
    return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  };
  const order = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") {
      return (x === "") - (y === "");
    }
    const less = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(y);
    return descending ? -less : less;
  };
  body.append(...[...body.rows].sort(order));
}

function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortTable(table, column, descending);
    });
  });
}

/** A click on a cell with more to say shows it in the cell: a phone has no pointer to rest. */
function makeTelling(table) {
  table.tBodies[0].addEventListener("click", ({ target }) => {
    const cell = target.closest("[title]");
    if (cell === null) {
      return;
    }
    const shown = cell.querySelector("small");
    if (shown === null) {
      const more = document.createElement("small");
      more.textContent = cell.title;
      cell.append(more);
    } else {
      shown.remove();
    }
  });
}

/** Solvers pressed in the legend stand out in all charts of the section; none pressed: all do. */
function makeLegend(legend) {
  const charts = legend.closest("section");
  const buttons = [...legend.querySelectorAll("button")];
  const show = () => {
    const pressed = buttons.filter((one) => one.getAttribute("aria-pressed") === "true");
    const chosen = new Set(pressed.map((one) => one.dataset.solver));
    charts.querySelectorAll("g[data-solver]").forEach((line) => {
      line.classList.toggle("faded", chosen.size > 0 && !chosen.has(line.dataset.solver));
    });
  };
  buttons.forEach((button) => {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      show();
    });
  });
}

document.querySelectorAll("table.sortable").forEach((table) => {
  makeSortable(table);
  makeTelling(table);
});
document.querySelectorAll(".legend").forEach(makeLegend);
const explorerRoot = document.querySelector("#explorer-tool");
if (explorerRoot !== null) {
  const instances = JSON.parse(document.querySelector("#layouts").textContent);
  explorerRoot.hidden = false;
  new Explorer(explorerRoot, instances);
}

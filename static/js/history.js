// The record: moments in the reader's own time zone, and rows that are still at work kept current.
import { Live } from "./live.js";
import { fill } from "./slots.js";

const page = document.getElementById("history");
const rows = new Map([...page.querySelectorAll(".record")].map((row) => [row.dataset.id, row]));

const live = new Live({
  path: page.dataset.socket,
  latest: page.dataset.latest,
  shown: () => [...rows.values()].map(({ dataset }) => dataset),
  onState: (state) => rows.has(state.id) && fill(rows.get(state.id), state),
  onDeleted: (id) => { rows.get(id)?.remove(); rows.delete(id); },
  indicator: document.getElementById("live"),
});
for (const [id, row] of rows) live.knows(id, Number(row.dataset.version));
live.start();

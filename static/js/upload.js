// Sends files one by one, a few at a time, and tells how far each has got.

const AT_ONCE = 3;

// The server refuses a part whose headers are longer than 1,024 bytes. The ending stays.
function shortName(name) {
  return name.length <= 200 ? name : `${name.slice(0, 180)}…${name.slice(-19)}`;
}

/** Sends one file; resolves to the server's answer, {detections, refused}, whatever its status. */
export function send(url, file, token, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append("files", file, shortName(file.name));
    request.open("POST", url);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRFToken", token);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("load", () => (request.response ? resolve(request.response) : reject(new Error())));
    request.addEventListener("error", () => reject(new Error()));
    request.addEventListener("abort", () => reject(new Error()));
    request.send(form);
  });
}

/** Runs jobs (functions that give promises) in their order, AT_ONCE of them at a time. */
export class Line {
  constructor() {
    this.waiting = [];
    this.running = 0;
  }

  add(job) {
    this.waiting.push(job);
    this.next();
  }

  get idle() {
    return this.running === 0 && this.waiting.length === 0;
  }

  next() {
    while (this.running < AT_ONCE && this.waiting.length) {
      this.running += 1;
      const job = this.waiting.shift();
      job().finally(() => {
        this.running -= 1;
        this.next();
      });
    }
  }
}

/** Calls onFiles(list) for files picked, dropped anywhere on the page, or pasted. */
export function gather(zone, inputs, onFiles) {
  for (const input of inputs) {
    input.addEventListener("change", () => {
      onFiles([...input.files]);
      input.value = ""; // the same file may be picked again
    });
  }
  dropAnywhere(zone, onFiles);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    onFiles(files);
  });
}

function dropAnywhere(zone, onFiles) {
  let depth = 0; // dragenter and dragleave come for every element the pointer crosses
  const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = () => zone.toggleAttribute("data-over", depth > 0);
  addEventListener("dragenter", (event) => { if (carriesFiles(event)) { depth += 1; show(); } });
  addEventListener("dragleave", (event) => { if (carriesFiles(event)) { depth = Math.max(0, depth - 1); show(); } });
  addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show();
    onFiles([...event.dataTransfer.files]);
  });
}

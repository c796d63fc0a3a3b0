// Keeps the parts of a page that change up to date, says so to those who cannot see it, and carries a
// chosen file to the server. Everything but choosing a file works without it.

const SECONDS = { moving: 1, still: 10 };
const MOST_SECONDS = 60;
const SAY_EVERY = 10;

const token = document.body.dataset.token;
const said = document.getElementById("said");
const trouble = document.getElementById("trouble");

// What is read out

let lastSaid = { text: "", at: 0 };

function say(text) {
  if (!text || text === lastSaid.text) return;
  lastSaid = { text, at: Date.now() };
  said.textContent = text;
}

function sayProgress(text) {
  // Progress is read out now and then, and not again and again.
  if (Date.now() - lastSaid.at >= SAY_EVERY * 1000) say(text);
}

function complain(text) {
  if (trouble.textContent !== text) trouble.textContent = text;
  trouble.hidden = !text;
}

// What is new in a part becomes what is there: elements stay, and with them focus, selection,
// scroll positions and what was typed.

function become(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name === "hidden" && old.dataset.copy) continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const olds = [...old.childNodes];
  const freshes = [...fresh.childNodes];
  freshes.forEach((node, at) => {
    const there = olds[at];
    if (!there) old.append(node);
    else if (same(there, node)) {
      if (node.nodeType === Node.ELEMENT_NODE) become(there, node);
      else if (there.data !== node.data) there.data = node.data;
    } else there.replaceWith(node);
  });
  olds.slice(freshes.length).forEach((node) => node.remove());
}

function same(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && one.id === other.id;
}

// Parts that are asked for again

class Part {
  constructor(element) {
    this.id = element.id;
    this.failures = 0;
    this.running = false;
    this.said = element.dataset.say;
    this.plan();
  }

  get element() {
    return document.getElementById(this.id);
  }

  plan() {
    clearTimeout(this.timer);
    const pace = this.element?.dataset.pace;
    if (document.hidden || !(pace in SECONDS)) return;
    const wait = Math.min(MOST_SECONDS, SECONDS[pace] * 2 ** this.failures);
    this.timer = setTimeout(() => this.renew(), wait * 1000);
  }

  async renew() {
    if (this.running) return;
    this.running = true;
    try {
      await this.fetched();
      this.failures = 0;
      complain("");
    } catch (error) {
      this.failures = Math.min(6, this.failures + 1);
      if (this.failures > 1) complain(error.message);
    }
    this.running = false;
    this.plan();
  }

  async fetched() {
    let answer;
    try {
      answer = await fetch(this.element.dataset.live, { credentials: "same-origin" });
    } catch {
      throw new Error("The page has lost its connection to `jobferry dashboard`. Is it still running?");
    }
    const text = await answer.text();
    const found = new DOMParser().parseFromString(text, "text/html");
    if (!answer.ok || !answer.headers.has("x-jobferry-part")) {
      if (answer.ok) return location.reload();
      const why = found.querySelector(".sentence") ?? found.body;
      const next = found.querySelector("code.command");
      throw new Error([why, next].map((each) => each?.textContent.trim() ?? "").join(" "));
    }
    const fresh = found.body.firstElementChild;
    if (!fresh || fresh.id !== this.id) return location.reload();
    become(this.element, fresh);
    enhance(this.element);
    if (this.element.dataset.title) document.title = this.element.dataset.title;
    this.tell();
  }

  tell() {
    const now = this.element.dataset.say;
    if (!now || now === this.said) return;
    // Another status is said at once, progress now and then.
    const [before, after] = [this.said ?? "", now].map((text) => text.split(",")[0]);
    if (before !== after) {
      say(now);
      parts.filter((part) => part !== this).forEach((part) => part.renew());
    } else sayProgress(now);
    this.said = now;
  }
}

const parts = [...document.querySelectorAll("[data-live]")].map((element) => new Part(element));

document.addEventListener("visibilitychange", () => {
  parts.forEach((part) => (document.hidden ? part.plan() : part.renew()));
});

window.addEventListener("online", () => parts.forEach((part) => part.renew()));

// Commands are copied

function enhance(root) {
  root.querySelectorAll("button[data-copy][hidden]").forEach((button) => (button.hidden = false));
}

enhance(document);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
    say("Copied.");
  } catch {
    getSelection().selectAllChildren(button.previousElementSibling);
    say("Selected; copy it with your keyboard.");
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
});

// A form is sent once

document.addEventListener("submit", (event) => {
  if (event.target.method !== "post" || event.target.id === "choose") return;
  if (event.target.dataset.sent) return event.preventDefault();
  event.target.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-disabled", "true");
});

window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => {
    delete form.dataset.sent;
    form.querySelectorAll("[aria-disabled]").forEach((each) => each.removeAttribute("aria-disabled"));
  });
});

// A file is dropped or chosen

const choose = document.getElementById("choose");

if (choose) {
  document.getElementById("without").remove();
  const drop = document.getElementById("drop");
  const input = document.getElementById("file");
  const hint = document.getElementById("file-hint");
  const arrived = document.getElementById("arrived");

  const stop = (event) => event.preventDefault();
  ["dragover", "drop"].forEach((name) => window.addEventListener(name, stop));
  ["dragenter", "dragover"].forEach((name) => drop.addEventListener(name, () => drop.classList.add("over")));
  ["dragleave", "drop"].forEach((name) => drop.addEventListener(name, () => drop.classList.remove("over")));
  drop.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change"));
  });
  input.addEventListener("change", () => {
    const [file] = input.files;
    hint.textContent = file ? `${file.name}, ${size(file.size)}` : "Drop a file here, or choose one.";
    clear();
  });

  choose.addEventListener("submit", (event) => {
    event.preventDefault();
    const [file] = input.files;
    const profile = choose.elements.profile.value;
    if (!profile) return refuse("Choose a profile first.", choose.elements.profile);
    if (!file) return refuse("Choose a file first.", input);
    const most = Number(choose.dataset.most);
    if (file.size > most) {
      return refuse(`The file has ${size(file.size)}, and files of up to ${size(most)} are taken.`, input);
    }
    send(file, profile);
  });

  function send(file, profile) {
    clear();
    const asked = new XMLHttpRequest();
    const query = new URLSearchParams({ profile, name: file.name });
    asked.open("POST", `${choose.dataset.upload}?${query}`);
    asked.setRequestHeader("Content-Type", "application/octet-stream");
    asked.setRequestHeader("X-Jobferry-Token", token);
    asked.responseType = "json";
    asked.upload.addEventListener("progress", (event) => {
      arrived.value = event.lengthComputable ? (100 * event.loaded) / event.total : 0;
    });
    asked.addEventListener("load", () => {
      if (asked.response?.location) return location.assign(asked.response.location);
      busy(false);
      refuse(asked.response?.refused ?? "The file could not be taken.", input, Boolean(asked.response?.refused));
    });
    asked.addEventListener("error", () => {
      busy(false);
      refuse("The page has lost its connection to `jobferry dashboard`.", input);
    });
    busy(true);
    say("The file is being read.");
    asked.send(file);
  }

  function busy(on) {
    arrived.hidden = !on;
    choose.querySelector("button[type=submit]").disabled = on;
  }

  function refuse(text, control, isMarkup = false) {
    clear();
    const box = document.createElement("div");
    box.id = "refused";
    box.className = "verdict bad";
    box.setAttribute("role", "alert");
    // Markup of the server's own, where every foreign text is escaped.
    if (isMarkup) box.append(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
    else box.textContent = text;
    choose.append(box);
    control.focus();
  }

  function clear() {
    document.getElementById("refused")?.remove();
  }

  function size(bytes) {
    const units = ["bytes", "kB", "MB", "GB", "TB"];
    let at = 0;
    while (bytes >= 1000 && at < units.length - 1) [bytes, at] = [bytes / 1000, at + 1];
    return `${at ? bytes.toFixed(1) : bytes} ${units[at]}`;
  }
}

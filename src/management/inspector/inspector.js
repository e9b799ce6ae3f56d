// The inspector: shows what the server sends under /inspector/. All text of clients becomes text nodes, never markup.
"use strict";

const KEPT = 1000;
const RETRY = 1000;
const CONTROL_PERIOD = 1000;
const state = { rows: [], last: 0, selected: null, paused: false, waiting: [], token: "", object: null };

const $ = (id) => document.getElementById(id);

/** Returns an element with attributes and children; a text becomes a text node. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Requests

function headers() {
  return state.token ? { Authorization: `Bearer ${state.token}` } : {};
}

async function ask(path, parameters = {}) {
  const query = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  return askFor(`/inspector/${path}${text ? `?${text}` : ""}`);
}

async function askFor(target) {
  const response = await fetch(target, { headers: headers() });
  if (response.status === 401) {
    await askForToken();
    return askFor(target);
  }
  if (!response.ok) throw new Error((await response.text()).trim() || response.statusText);
  return response.json();
}

let asking = null;

/** Asks for the token once, however many requests need it. */
function askForToken() {
  asking ??= new Promise((resolve) => {
    $("token-form").addEventListener("submit", () => {
      state.token = $("token-value").value;
      asking = null;
      resolve();
    }, { once: true });
    $("token").showModal();
  });
  return asking;
}

/** Reads the stream of events, and begins again when it ends. */
async function listen() {
  for (;;) {
    try {
      const response = await fetch(`/inspector/events?after=${state.last}`, { headers: headers(), cache: "no-store" });
      if (response.status === 401) {
        await askForToken();
        continue;
      }
      if (response.status === 503) throw new Error("Too many watchers");
      if (!response.ok) throw new Error("Not connected");
      live("on", "Live");
      // This cannot change while the server runs.
      state.controlled = (await askFor("/version")).test_control;
      $("control").hidden = !state.controlled;
      await receive(response.body);
      throw new Error("Not connected");
    } catch (error) {
      live("off", error.message === "Too many watchers" ? error.message : "Not connected");
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}

async function receive(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (data) arrive(JSON.parse(data.slice(6)));
    }
  }
}

function live(kind, text) {
  $("live").dataset.state = kind;
  if ($("live").textContent !== text) $("live").textContent = text;
}

// Test control

/** Shows the clock and the faults of a server under test control. */
async function watchControl() {
  for (;;) {
    if (state.controlled && document.visibilityState === "visible") {
      try {
        showControl(await askFor("/control"));
      } catch {
        // The state of the stream says that the server does not answer.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, CONTROL_PERIOD));
  }
}

function showControl({ clock: { now, frozen }, faults }) {
  const count = faults.length === 1 ? "1 fault" : `${faults.length || "no"} faults`;
  const text = `Its clock ${frozen ? "stands at" : "shows"} ${now.slice(0, 19).replace("T", " ")} UTC; it has ${count}.`;
  if ($("control-state").textContent !== text) $("control-state").textContent = text;
  $("faults").replaceChildren(...faults.map(faultRow));
}

function faultRow({ id, action, operation, hits, matches, ...others }) {
  const said = Object.entries(others).map(([name, value]) => `${name} ${value}`).join(", ");
  return make("li", {}, `${id}. ${action} ${operation ?? "each operation"} (${said}): acted ${hits} of ${matches} times`);
}

// The list of messages

function arrive({ records, skipped }) {
  const last = records.length ? records[records.length - 1].number : 0;
  // The server started again.
  if (last && last < state.last) state.rows = [];
  state.last = last || state.last;
  state.skipped = (state.skipped || 0) + skipped;
  if (state.paused) {
    state.waiting.push(...records);
    state.waiting = state.waiting.slice(-KEPT);
    showCount();
    return;
  }
  add(records);
}

function add(records) {
  const list = $("rows");
  const atTop = list.scrollTop < 4;
  const before = list.scrollHeight;
  for (const record of records) {
    record.search = searchable(record);
    record.element = rowOf(record);
    state.rows.push(record);
    list.prepend(record.element);
    record.element.hidden = !matches(record);
  }
  while (state.rows.length > KEPT) state.rows.shift().element.remove();
  if (records.some((record) => record.number === state.selected)) mark(state.selected);
  // What the reader looks at stays where it is.
  if (!atTop) list.scrollTop += list.scrollHeight - before;
  showCount();
}

function searchable(record) {
  const parts = [record.user, record.address, record.session, record.text, record.code, record.result, record.fault];
  if (record.version) parts.push(`KMIP ${record.version}`);
  parts.push(...(record.operations || []), ...(record.reasons || []), ...(record.messages || []));
  parts.push(...(record.objects || []).map((id) => `object:${id}`));
  return parts.filter(Boolean).join("\n").toLowerCase();
}

function matches(record) {
  const isConnection = record.kind !== "message";
  if ($("failures").checked && !record.failed) return false;
  if (!$("connections").checked && isConnection && !record.failed) return false;
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (word) => {
    if (!word.startsWith("object:")) return record.search.includes(word);
    return record.search.split("\n").includes(word);
  };
  return words.every(has);
}

const clock = (time) => {
  const date = new Date(time);
  const two = (number, digits = 2) => String(number).padStart(digits, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
};

function duration(microseconds) {
  if (microseconds < 1000) return `${microseconds} µs`;
  if (microseconds < 1e6) return `${(microseconds / 1000).toFixed(microseconds < 1e4 ? 1 : 0)} ms`;
  return `${(microseconds / 1e6).toFixed(1)} s`;
}

const operations = (record) => {
  const names = record.operations.length ? record.operations : ["Unreadable request"];
  const counts = new Map();
  names.forEach((name) => counts.set(name, (counts.get(name) || 0) + 1));
  return [...counts].map(([name, count]) => (count > 1 ? `${name} ×${count}` : name)).join(", ");
};

const client = (record) => record.user || record.address;

function result(record) {
  if (record.failed) return record.reasons.join(", ") || "Operation Failed";
  if (record.result === "pending") return "Operation Pending";
  return record.result === "success" ? "Success" : "Not recorded";
}

function rowOf(record) {
  const open = () => select(record.number);
  const time = make("span", { class: "time" }, clock(record.time));
  const who = make("span", { class: "client", title: record.address }, client(record));
  if (record.kind !== "message") {
    const names = { session: "Session opened", end: "Session ended", handshake: "Handshake failed" };
    const text = make("span", { class: "text" }, `${names[record.kind]}: ${record.text}`);
    const kind = `row connection fresh${record.failed ? " failed" : ""}`;
    return make("li", {}, make("button", { type: "button", class: kind, onclick: open }, time, who, text));
  }
  const version = record.version ? make("span", { class: "version" }, record.version) : null;
  const operation = make("span", { class: "operation" }, operations(record), version);
  const object = make("span", { class: "object" }, record.objects.join(", "));
  const kind = record.result === "success" ? "ok" : record.result;
  const fault = record.fault ? make("span", { class: "fault" }, ` fault: ${record.fault}`) : null;
  const text = make("span", { class: `result ${kind}` }, result(record), fault);
  const took = make("span", { class: "duration" }, duration(record.microseconds));
  const row = make("button", { type: "button", class: `row fresh${record.failed ? " failed" : ""}`, onclick: open },
    time, who, operation, object, text, took);
  return make("li", {}, row);
}

function filter() {
  state.rows.forEach((record) => { record.element.hidden = !matches(record); });
  showCount();
}

function showCount() {
  const shown = state.rows.filter((record) => !record.element.hidden).length;
  const waiting = state.paused && state.waiting.length ? `, ${state.waiting.length} new` : "";
  const skipped = state.skipped ? `, ${state.skipped} not shown` : "";
  $("count").textContent = state.rows.length ? `${shown} of ${state.rows.length}${waiting}${skipped}` : "";
  $("no-rows").hidden = shown > 0;
  const isEmpty = state.rows.length === 0;
  $("no-rows").querySelector(".title").textContent = isEmpty ? "No messages yet" : "Nothing matches the filter";
}

function pause(paused) {
  state.paused = paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Resume" : "Pause";
  if (!paused) add(state.waiting.splice(0));
}

// The details of a record

function mark(number) {
  state.selected = number;
  state.rows.forEach((record) => {
    const button = record.element.firstChild;
    if (record.number === number) {
      button.setAttribute("aria-current", "true");
      button.scrollIntoView({ block: "nearest" });
    } else button.removeAttribute("aria-current");
  });
}

function select(number) {
  if (location.hash === `#message/${number}`) showRecord(number);
  else location.hash = `#message/${number}`;
}

async function showRecord(number) {
  mark(number);
  const panel = $("detail");
  try {
    const record = await ask("record", { number });
    panel.replaceChildren(...(record.kind === "message" ? messageDetails(record) : connectionDetails(record)));
  } catch (error) {
    panel.replaceChildren(titleRow("Record"), make("p", { class: "note" }, error.message));
  }
  panel.hidden = false;
  panel.scrollTop = 0;
  $("view-messages").classList.add("open");
  panel.focus({ preventScroll: true });
}

function close() {
  const number = state.selected;
  mark(null);
  $("detail").hidden = true;
  $("view-messages").classList.remove("open");
  location.hash = "#messages";
  state.rows.find((record) => record.number === number)?.element.firstChild.focus();
}

function titleRow(text, badge, onclose = close) {
  const button = make("button", { type: "button", class: "plain close", onclick: onclose }, "Close");
  return make("div", { class: "title-row" }, make("h2", {}, text), badge || "", button);
}

function facts(pairs) {
  const items = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return make("dl", { class: "facts" }, ...items.map(([name, value, wide]) =>
    make("div", wide ? { class: "wide" } : {}, make("dt", {}, name), make("dd", {}, value))));
}

function explanations(record) {
  return record.explanations.flatMap(({ meaning, advice }) => [
    make("p", {}, `${meaning}.`), make("p", {}, make("strong", {}, "What to do: "), `${advice}.`),
  ]);
}

function messageDetails(record) {
  const badge = make("span", { class: `badge ${record.failed ? "bad" : record.result === "pending" ? "wait" : "good"}` }, result(record));
  const parts = [titleRow(operations(record), badge)];
  if (record.failed) {
    const callout = make("div", { class: "callout" }, make("h3", {}, record.reasons.join(", ") || "Operation Failed"));
    callout.append(...record.messages.map((message) => make("p", { class: "said" }, message)), ...explanations(record));
    if (record.reasons.includes("Permission Denied") && record.objects.length) {
      const target = new URLSearchParams({ user: record.user, operation: record.operations[0] || "", object: record.objects[0] });
      callout.append(make("p", {}, make("a", { href: `#access?${target}` }, "Why was this refused?")));
    }
    parts.push(callout);
  }
  const objects = record.objects.map((id, at) => [at ? ", " : "", make("a", { href: `#object/${encodeURIComponent(id)}` }, id)]).flat();
  parts.push(facts([
    ["Time", new Date(record.time).toLocaleString()],
    ["User", record.user],
    ["Client", record.address],
    ["Session", record.session],
    ["Version", record.version && `KMIP ${record.version}`],
    ["Duration", duration(record.microseconds)],
    ["Fault", record.fault],
    ["Objects", objects.length ? make("span", {}, ...objects) : ""],
  ]));
  const copies = [["XML", "xml"], ["JSON", "json"]].map(([name, form]) =>
    copyButton(`Copy as ${name}`, () => [record.request, record.response].map((message) => message?.[form] ?? "").join("\n")));
  parts.push(make("div", { class: "actions" }, ...copies, copyButton("Copy as test case", () => record.test_case)));
  parts.push(messageCard("Request", record.request, record.received), messageCard("Response", record.response, record.sent));
  return parts;
}

function connectionDetails(record) {
  const names = { session: "Session opened", end: "Session ended", handshake: "Handshake failed" };
  const parts = [titleRow(names[record.kind], record.failed ? make("span", { class: "badge bad" }, record.code) : null)];
  if (record.failed) {
    parts.push(make("div", { class: "callout" }, make("h3", {}, "Why it failed"), make("p", {}, `${record.text[0].toUpperCase()}${record.text.slice(1)}`), ...explanations(record)));
  }
  parts.push(facts([
    ["Time", new Date(record.time).toLocaleString()],
    ["User", record.user],
    ["Client", record.address],
    ["Session", record.session],
    ["Chosen", record.chosen, true],
    ["Reason", record.kind === "end" ? record.text : "", true],
    ["Offered", record.offered && offers(record.offered), true],
    ["Certificate", record.certificate, true],
  ]));
  const all = () => { $("filter").value = record.session; location.hash = "#messages"; filter(); };
  parts.push(make("div", { class: "actions" }, make("button", { type: "button", class: "action", onclick: all }, "Show this session only")));
  return parts;
}

/** Returns what a client offers as a list: the server separates the kinds by semicolons. */
function offers(text) {
  return make("ul", { class: "tree" }, ...text.split("; ").map((part) => make("li", {}, part)));
}

function messageCard(name, message, size) {
  const body = make("div", { class: "body", tabindex: "0", role: "region", "aria-label": name });
  const header = make("header", {}, make("h3", {}, name), make("span", { class: "size" }, `${size.toLocaleString()} bytes`));
  if (!message) {
    body.append(make("p", { class: "note" }, "The message was too long to be recorded."));
    return make("section", { class: "card" }, header, body);
  }
  const views = {
    Tree: () => tree(message.tree),
    Hex: () => hex(message),
    XML: () => make("pre", {}, message.xml),
    JSON: () => make("pre", {}, message.json),
  };
  const buttons = Object.entries(views).map(([view, show]) => {
    const press = () => {
      body.replaceChildren(show());
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === view)));
    };
    return make("button", { type: "button", "aria-pressed": String(view === "Tree"), onclick: press }, view);
  });
  body.append(views.Tree());
  header.append(make("div", { class: "segments", role: "group", "aria-label": `Form of the ${name.toLowerCase()}` }, ...buttons));
  return make("section", { class: "card" }, header, body);
}

function tree({ lines, more, error }) {
  const root = make("ul", { class: "tree" });
  const levels = [root];
  for (const line of lines) {
    const item = make("li", {}, make("span", { class: "name" }, line.name), make("span", { class: "type" }, line.type));
    if (line.value !== null) {
      const kind = line.masked ? "masked" : line.type === "Text String" ? "string" : "value";
      item.append(make("span", { class: kind }, line.value));
    }
    levels.length = line.depth + 1;
    levels[line.depth].append(item);
    if (line.value === null) {
      const inner = make("ul");
      item.append(inner);
      levels.push(inner);
    }
  }
  if (more) root.append(make("li", {}, `… and ${more} more items`));
  if (error) root.append(make("li", {}, make("span", { class: "error" }, error)));
  root.querySelectorAll("ul:empty").forEach((empty) => empty.remove());
  return root;
}

/** Returns bytes in rows of 16; masked bytes are dots. */
function hex({ hex: digits, masked, length }) {
  const pre = make("pre");
  const count = digits.length / 2;
  let next = 0;
  const isMasked = (at) => {
    while (next < masked.length && masked[next][1] <= at) next += 1;
    return next < masked.length && masked[next][0] <= at;
  };
  for (let row = 0; row < count; row += 16) {
    pre.append(make("span", { class: "place" }, `${row.toString(16).padStart(6, "0")}  `));
    let letters = "";
    for (let at = row; at < row + 16; at += 1) {
      if (at >= count) { pre.append("   "); continue; }
      const hidden = isMasked(at);
      const pair = digits.slice(2 * at, 2 * at + 2);
      const code = parseInt(pair, 16);
      pre.append(hidden ? make("span", { class: "masked" }, "··") : pair, at % 16 === 7 ? "  " : " ");
      letters += !hidden && code >= 32 && code < 127 ? String.fromCharCode(code) : "·";
    }
    pre.append(make("span", { class: "letters" }, ` ${letters}\n`));
  }
  if (length > count) pre.append(`… and ${length - count} more bytes\n`);
  return pre;
}

function copyButton(name, text) {
  return make("button", { type: "button", class: "action", onclick: () => copy(text(), name.replace("Copy as", "Copied as")) }, name);
}

async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    toast(done);
  } catch {
    toast("The browser does not allow to copy here");
  }
}

let hiding = 0;
function toast(text) {
  $("toast").textContent = text;
  $("toast").classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => $("toast").classList.remove("shown"), 1800);
}

// Objects

async function listObjects(below) {
  try {
    const { objects, next } = await ask("objects", { search: $("search").value, below });
    const rows = objects.map(objectRow);
    if (below) $("object-rows").append(...rows);
    else $("object-rows").replaceChildren(...rows);
    const count = $("object-rows").childElementCount;
    $("object-count").textContent = count ? `${count} object${count === 1 ? "" : "s"}${next ? ", newest" : ""}` : "No objects";
    $("more").hidden = !next;
    $("more").onclick = () => listObjects(next);
  } catch (error) {
    $("object-count").textContent = error.message;
  }
}

const stateClass = { Active: "good", Compromised: "bad", "Destroyed Compromised": "bad", "Pre-Active": "wait" };
const day = (date) => (date || "").slice(0, 19).replace("T", " ");

function objectRow(object) {
  const open = () => { location.hash = `#object/${object.id}`; };
  const badge = object.state ? make("span", { class: `badge ${stateClass[object.state] || ""}` }, object.state) : "";
  const cells = [make("button", { type: "button", class: "link", onclick: open }, object.id), object.names.join(", "), object.type, badge,
    object.owner, object.policy, day(object.dates["Initial Date"])];
  const row = make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
  row.dataset.id = object.id;
  return row;
}

function closeObject() {
  $("object").hidden = true;
  $("view-objects").classList.remove("open");
  location.hash = "#objects";
  document.querySelector("#object-rows tr[aria-current] button")?.focus();
}

async function showObject(id) {
  const panel = $("object");
  if (!$("object-rows").childElementCount) listObjects();
  document.querySelectorAll("#object-rows tr").forEach((row) => {
    if (row.dataset.id === id) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  });
  try {
    const { object, attributes, history, no_history: noHistory } = await ask("object", { object: id });
    const badge = object.state ? make("span", { class: `badge ${stateClass[object.state] || ""}` }, object.state) : null;
    const title = object.names[0] ? `${object.names[0]}` : `${object.type} ${object.id}`;
    const messages = () => { $("filter").value = `object:${id}`; location.hash = "#messages"; filter(); };
    const why = () => { location.hash = `#access?${new URLSearchParams({ object: id })}`; };
    panel.replaceChildren(
      titleRow(title, badge, closeObject),
      facts([["Identifier", object.id], ["Type", object.type], ["Owner", object.owner], ["Policy", object.policy],
        ...Object.entries(object.dates).map(([name, date]) => [name, day(date)])]),
      make("div", { class: "actions" },
        make("button", { type: "button", class: "action", onclick: messages }, "Show its messages"),
        make("button", { type: "button", class: "action", onclick: why }, "Who may use it?")),
      make("section", { class: "card" }, make("header", {}, make("h3", {}, "Attributes")),
        make("div", { class: "body", tabindex: "0", role: "region", "aria-label": "Attributes" }, tree(attributes))),
      make("section", { class: "card" }, make("header", {}, make("h3", {}, "History"), make("span", { class: "size" }, "from the audit log")),
        make("div", { class: "body", tabindex: "0", role: "region", "aria-label": "History" },
          history.length ? historyList(history) : make("p", { class: "note" }, noHistory || "The audit log has no line about it."))),
    );
  } catch (error) {
    panel.replaceChildren(titleRow(`Object ${id}`, null, closeObject), make("p", { class: "note" }, error.message));
  }
  panel.hidden = false;
  $("view-objects").classList.add("open");
  panel.focus({ preventScroll: true });
}

function historyList(lines) {
  return make("ol", { class: "history" }, ...lines.map((line) => {
    const failed = Boolean(line.reason);
    const outcome = failed ? make("span", { class: "bad" }, ` ${line.reason}`) : ` ${line.result}`;
    const time = make("time", { datetime: line.time, title: line.time }, clock(line.time));
    return make("li", {}, time, make("span", {}, make("strong", {}, line.operation || ""), ` by ${line.user || "unknown"}:`, outcome));
  }));
}

// Policies and access

const PERMISSIONS = { all: "every user", owner: "the owner", none: "nobody" };

async function showPolicies() {
  const list = $("policy-list");
  try {
    const { types, policies } = await ask("policies");
    list.replaceChildren(...policies.map((policy) => policyCard(policy, types)));
  } catch (error) {
    list.replaceChildren(make("p", { class: "note" }, error.message));
  }
}

function policyCard(policy, types) {
  const sections = policy.sections.map(({ group, operations: rows }) => {
    const head = make("tr", {}, make("td", {}), ...types.map((type) => make("th", { scope: "col" }, type)));
    const body = rows.map(({ operation, from, partly, permissions }) => make("tr", {},
      make("th", { scope: "row" }, operation, from ? make("small", {}, `${partly ? "partly " : ""}as ${from}`) : ""),
      ...permissions.map((permission) => make("td", {},
        make("span", { class: `cell ${permission}`, "aria-hidden": "true" }), make("span", { class: "sr" }, PERMISSIONS[permission])))));
    const title = make("h4", {}, group === null ? "Without groups (preset)" : `Group ${group}`);
    const table = make("table", { class: "matrix" }, make("thead", {}, head), make("tbody", {}, ...body));
    return make("div", {}, title, rows.length ? table : make("p", { class: "note" }, "Nothing is allowed."));
  });
  const badge = policy.built_in ? make("span", { class: "badge" }, "built in") : make("span", { class: "badge good" }, "from a file");
  const empty = make("p", { class: "note" }, "The policy has no section: nothing is allowed.");
  return make("section", { class: "card policy" }, make("header", {}, make("h3", {}, policy.name), badge),
    make("div", { class: "body", tabindex: "0", role: "region", "aria-label": `Policy ${policy.name}` }, ...(sections.length ? sections : [empty])));
}

const OPERATIONS = ["Get", "Get Attributes", "Get Attribute List", "Locate", "Activate", "Revoke", "Destroy", "Encrypt", "Decrypt", "Sign",
  "Signature Verify", "MAC", "MAC Verify", "Derive Key", "Re-key", "Re-key Key Pair", "Check", "Archive", "Recover", "Add Attribute",
  "Modify Attribute", "Delete Attribute", "Set Attribute", "Obtain Lease", "Get Usage Allocation", "Export", "Import", "Certify"];

async function explainAccess() {
  const answer = $("answer");
  const values = { user: $("ask-user").value, operation: $("ask-operation").value, object: $("ask-object").value, groups: $("ask-groups").value };
  try {
    const { allowed, reason, steps } = await ask("access", values);
    const verdict = allowed ? (reason ? `The policy allows it; the answer is ${reason}` : "The policy allows it") : `Refused: ${reason}`;
    answer.replaceChildren(make("div", { class: `verdict${allowed ? "" : " refused"}` }, make("h3", {}, verdict),
      make("ol", {}, ...steps.map((step) => make("li", {}, step)))));
  } catch (error) {
    answer.replaceChildren(make("p", { class: "note" }, error.message));
  }
}

// Navigation

function route() {
  const [path, query] = location.hash.slice(1).split("?");
  const [name, argument] = path.split("/").map(decodeURIComponent);
  const view = { message: "messages", object: "objects" }[name] || ($(`view-${name || "messages"}`) ? name || "messages" : "messages");
  document.querySelectorAll(".view").forEach((section) => { section.hidden = section.id !== `view-${view}`; });
  document.querySelectorAll("nav a").forEach((link) => {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  document.title = `${view[0].toUpperCase()}${view.slice(1)} – kmip-server inspector`;
  if (name === "message") showRecord(Number(argument));
  else if (view === "messages") { mark(null); $("detail").hidden = true; $("view-messages").classList.remove("open"); }
  if (name === "object") showObject(argument);
  else if (view === "objects") { $("object").hidden = true; $("view-objects").classList.remove("open"); listObjects(); }
  if (view === "policies") showPolicies();
  if (view === "access") {
    const given = new URLSearchParams(query || "");
    for (const field of ["user", "operation", "object", "groups"]) {
      if (given.has(field)) $(`ask-${field}`).value = given.get(field);
    }
    if (given.get("user") && given.get("operation") && given.get("object")) explainAccess();
  }
}

function move(step) {
  const shown = [...document.querySelectorAll("#rows > li:not([hidden]) > button")];
  if (!shown.length) return;
  const at = shown.indexOf(document.activeElement);
  const current = at < 0 ? shown.findIndex((button) => button.hasAttribute("aria-current")) : at;
  const next = shown[Math.min(Math.max(current + step, 0), shown.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function key(event) {
  const isField = event.target.matches("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || $("token").open) return;
  const onMessages = !$("view-messages").hidden;
  if (event.key === "Escape") {
    if (onMessages && !$("detail").hidden) close();
    else if (!$("view-objects").hidden && !$("object").hidden) closeObject();
    else if (isField) event.target.blur();
  } else if (event.key === "/" && !isField) {
    const field = onMessages ? $("filter") : !$("view-objects").hidden ? $("search") : null;
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && onMessages) {
    // In the details, the arrows scroll.
    if (document.activeElement !== document.body && !document.activeElement.closest("#rows, #filters, nav, #main:focus")) return;
    event.preventDefault();
    move(event.key === "ArrowDown" ? 1 : -1);
  }
}

// Colours

const THEMES = { auto: ["Auto", "Colours: those of the system"], light: ["Light", "Colours: light"], dark: ["Dark", "Colours: dark"] };

function theme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  [$("theme").textContent] = THEMES[name];
  $("theme").setAttribute("aria-label", THEMES[name][1]);
  $("theme").dataset.name = name;
  localStorage.setItem("theme", name);
}

function start() {
  const stored = localStorage.getItem("theme");
  theme(stored in THEMES ? stored : "auto");
  $("theme").addEventListener("click", () => {
    const names = Object.keys(THEMES);
    theme(names[(names.indexOf($("theme").dataset.name) + 1) % names.length]);
  });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["filter", "failures", "connections"]) $(id).addEventListener("input", filter);
  $("pause").addEventListener("click", () => pause(!state.paused));
  $("clear").addEventListener("click", () => {
    state.rows = [];
    state.skipped = 0;
    $("rows").replaceChildren();
    showCount();
  });
  $("object-search").addEventListener("submit", (event) => { event.preventDefault(); listObjects(); });
  $("ask").addEventListener("submit", (event) => { event.preventDefault(); explainAccess(); });
  $("operations").append(...OPERATIONS.map((operation) => make("option", { value: operation })));
  document.addEventListener("keydown", key);
  window.addEventListener("hashchange", route);
  showCount();
  route();
  listen();
  watchControl();
}

start();

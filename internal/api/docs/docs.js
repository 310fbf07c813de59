"use strict";

// Renders openapi.json. Everything from the document goes in as text, never as
// HTML.

const methods = ["get", "post", "put", "patch", "delete"];
const by = (id) => document.getElementById(id);

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

async function load() {
  const reply = await fetch("openapi.json");
  if (reply.status === 401) {
    by("login").hidden = false;
    return;
  }
  if (!reply.ok) throw new Error("openapi.json: " + reply.status);
  by("login").hidden = true;
  render(await reply.json());
}

async function signIn(event) {
  event.preventDefault();
  const form = new FormData(event.target);
  const reply = await fetch("auth/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: form.get("email"), password: form.get("password") }),
  });
  if (reply.ok) return load();
  const problem = await reply.json();
  by("message").textContent = problem.detail;
}

function render(doc) {
  const base = doc.servers[0].url;
  by("title").textContent = doc.info.title + " API " + doc.info.version;
  by("about").textContent = doc.info.description + " Base path: " + base;
  const sections = new Map();
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const method of methods) {
      const op = item[method];
      if (!op) continue;
      const tag = op.tags[0];
      if (!sections.has(tag)) sections.set(tag, []);
      sections.get(tag).push({ path, method, op });
    }
  }
  by("contents").replaceChildren();
  by("operations").replaceChildren();
  for (const [tag, operations] of sections) {
    by("contents").append(make("a", { href: "#" + tag }, tag));
    by("operations").append(make("h2", { id: tag }, tag));
    for (const entry of operations) by("operations").append(operation(doc, entry));
  }
}

function operation(doc, { path, method, op }) {
  const access = op["x-permission"] || op["x-access"] || "";
  return make("details", { id: op.operationId },
    make("summary", {},
      make("span", { class: "method" }, method.toUpperCase()),
      make("span", { class: "path" }, path),
      make("span", {}, op.summary || ""),
      make("span", { class: "note" }, access)),
    op.description ? make("p", {}, op.description) : null,
    parameters(op.parameters),
    body(doc, op.requestBody),
    ...responses(doc, op.responses));
}

function parameters(list) {
  if (!list || list.length === 0) return null;
  const table = make("table", {}, make("tr", {}, make("th", {}, "Parameter"), make("th", {}, "In"), make("th", {}, "Meaning")));
  for (const p of list) {
    table.append(make("tr", {},
      make("td", {}, make("code", {}, p.name + (p.required ? " *" : ""))),
      make("td", {}, p.in),
      make("td", {}, p.description || "")));
  }
  return table;
}

function body(doc, requestBody) {
  const media = requestBody && requestBody.content["application/json"];
  if (!media) return null;
  const shown = media.example !== undefined ? JSON.stringify(media.example, null, 2) : outline(doc, media.schema, "", new Set());
  return make("div", {}, make("p", {}, "Body"), make("pre", {}, shown));
}

function responses(doc, all) {
  return Object.entries(all || {}).filter(([status]) => status < "3").map(([status, response]) => {
    const media = response.content && response.content["application/json"];
    return make("div", {},
      make("p", {}, "Reply " + status + " " + (response.description || "")),
      media && media.schema ? make("pre", {}, outline(doc, media.schema, "", new Set())) : null);
  });
}

// outline writes a schema as the JSON it describes, with types for values.
function outline(doc, schema, indent, seen) {
  if (!schema) return "any";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    if (seen.has(name)) return name;
    return outline(doc, doc.components.schemas[name], indent, new Set(seen).add(name));
  }
  const inner = indent + "  ";
  if (schema.items) return "[" + outline(doc, schema.items, indent, seen) + "]";
  if (schema.properties) {
    const required = new Set(schema.required || []);
    const lines = Object.entries(schema.properties).map(([name, property]) =>
      inner + name + (required.has(name) ? "" : "?") + ": " + outline(doc, property, inner, seen) +
      (property.description ? "  // " + property.description : ""));
    return "{\n" + lines.join("\n") + "\n" + indent + "}";
  }
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "object" || Array.isArray(schema.type)) return [].concat(schema.type).join(" | ");
  return (schema.type || "any") + (schema.format ? " (" + schema.format + ")" : "");
}

by("login").addEventListener("submit", (event) => signIn(event).catch(failed));
function failed(error) { by("about").textContent = String(error); }
load().catch(failed);

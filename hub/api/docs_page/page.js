// Shows /api/openapi.json. Everything is put in as text; nothing is asked of any other host.
"use strict";

const WAYS = { token: "a token", session: "a session", csrf: "its X-CSRF-Token" };
const METHODS = ["get", "post", "put", "patch", "delete"];
let api = null;

function make(tag, { text, kind, ...rest } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  for (const [name, value] of Object.entries(rest)) made.setAttribute(name, value);
  made.append(...children.filter((each) => each !== null));
  return made;
}

// Words in which `names` stand in backticks.
function worded(text) {
  return text.split("`").map((part, index) => make(index % 2 ? "code" : "span", { text: part }));
}

function follow(node) {
  let at = node;
  while (at && at.$ref) at = at.$ref.slice(2).split("/").reduce((found, step) => found[step], api);
  return at;
}

function nameOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  const choices = schema.oneOf || schema.anyOf;
  if (choices) return choices.map(nameOf).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(" or ");
  if (schema.type === "array") return `list of ${schema.items ? nameOf(schema.items) : "anything"}`;
  if (schema.type === "object" && schema.additionalProperties && schema.additionalProperties !== true)
    return `object of ${nameOf(schema.additionalProperties)}`;
  return [schema.type || "anything", schema.format ? `(${schema.format})` : ""].join(" ").trim();
}

const LIMITS = {
  minimum: "at least", maximum: "at most", exclusiveMinimum: "above", exclusiveMaximum: "below", minLength: "characters, at least",
  maxLength: "characters, at most", minItems: "items, at least", maxItems: "items, at most", pattern: "pattern", default: "default",
};

function limitsOf(schema) {
  const said = [];
  for (const part of [schema, ...(schema.anyOf || [])])
    for (const [name, words] of Object.entries(LIMITS))
      if (part[name] !== undefined && part[name] !== null) said.push(`${words} ${typeof part[name] === "string" ? part[name] : JSON.stringify(part[name])}`);
  return said.join(", ");
}

function partsOf(schema) {
  const found = [];
  if (schema.$ref) found.push(schema);
  for (const each of schema.oneOf || schema.anyOf || []) found.push(...partsOf(each));
  if (schema.items) found.push(...partsOf(schema.items));
  if (schema.additionalProperties && schema.additionalProperties !== true) found.push(...partsOf(schema.additionalProperties));
  if (!schema.$ref && schema.properties) found.push(schema);
  return found;
}

// A schema that opens when it is asked for: they name each other, some even themselves.
function schemaBox(schema) {
  const label = make("code", { text: nameOf(schema) });
  const parts = partsOf(schema);
  if (!parts.length) return label;
  const box = make("details", {}, make("summary", {}, label));
  box.addEventListener("toggle", () => {
    if (box.open && box.children.length === 1) box.append(...parts.map(fields));
  });
  return box;
}

function fields(part) {
  const schema = follow(part);
  const list = make("dl");
  if (schema.description) list.append(make("p", {}, ...worded(schema.description)));
  if (schema.enum) list.append(make("p", {}, make("code", { text: schema.enum.join(", ") })));
  if (!schema.properties) list.append(...(schema.enum ? [] : [schemaBox({ ...schema, title: undefined })]));
  for (const [name, field] of Object.entries(schema.properties || {})) {
    const must = (schema.required || []).includes(name);
    list.append(
      make("dt", {}, make("code", { text: name }), make("small", { text: must ? " required" : "" })),
      make("dd", {}, schemaBox(field), make("div", { kind: "quiet", text: limitsOf(field) }), make("div", {}, ...worded(field.description || ""))),
    );
  }
  for (const example of schema.examples || []) list.append(make("pre", { text: JSON.stringify(example, null, 2) }));
  return list;
}

function contents(content) {
  return Object.entries(content || {}).map(([type, each]) =>
    make("div", {}, make("small", { text: `${type}: ` }), each.schema ? schemaBox(each.schema) : null));
}

function parameters(operation) {
  const found = (operation.parameters || []).map(follow);
  if (!found.length) return [];
  const list = make("dl");
  for (const each of found) {
    const where = `${each.in}${each.required ? ", required" : ""}`;
    list.append(
      make("dt", {}, make("code", { text: each.name }), make("small", { text: ` ${where}` })),
      make("dd", {}, schemaBox(each.schema), make("div", { kind: "quiet", text: limitsOf(each.schema) }), make("div", {}, ...worded(each.description || ""))),
    );
  }
  return [make("h3", { text: "Parameters" }), list];
}

function responses(operation) {
  const list = make("dl");
  for (const [status, named] of Object.entries(operation.responses)) {
    const each = follow(named);
    const headers = Object.keys(each.headers || {});
    list.append(
      make("dt", { text: status }),
      make("dd", {}, make("div", {}, ...worded(each.description)),
        headers.length ? make("div", { kind: "quiet", text: `headers: ${headers.join(", ")}` }) : null, ...contents(each.content)),
    );
  }
  return [make("h3", { text: "Answers" }), list];
}

function whoOf(operation) {
  if (!(operation.security || []).length) return "Anybody may ask.";
  return `With ${operation.security.map((each) => Object.keys(each).map((way) => WAYS[way] || way).join(" and ")).join(", or with ")}.`;
}

function route(method, path, operation) {
  const [first, ...rest] = (operation.description || operation.summary || "").split("\n");
  const line = make("summary", {}, make("b", { kind: "method", text: method.toUpperCase() }), make("code", { text: path }), make("br"), make("small", {}, ...worded(first)));
  const box = make("details", { kind: "route", id: operation.operationId }, line);
  box.said = `${method} ${path} ${operation.description || ""}`.toLowerCase();
  box.addEventListener("toggle", () => {
    if (!box.open || box.children.length > 1) return;
    const body = operation.requestBody;
    box.append(
      make("p", {}, ...worded(rest.join("\n").trim())), make("p", { kind: "quiet", text: whoOf(operation) }), ...parameters(operation),
      ...(body ? [make("h3", { text: body.required ? "Body" : "Body, which may be left out" }), ...contents(body.content)] : []),
      ...responses(operation),
    );
  });
  return box;
}

function show() {
  const sections = new Map();
  for (const [path, methods] of Object.entries(api.paths))
    for (const method of METHODS.filter((each) => methods[each])) {
      const tag = (methods[method].tags || ["other"])[0];
      if (!sections.has(tag)) sections.set(tag, make("section", { id: `part-${tag}` }, make("h2", { text: tag })));
      sections.get(tag).append(route(method, path, methods[method]));
    }
  document.getElementById("routes").replaceChildren(...sections.values());
  document.getElementById("tags").replaceChildren(...[...sections.keys()].map((tag) => make("a", { text: tag, href: `#part-${tag}` })));
  find();
}

function find() {
  const words = document.getElementById("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  const links = document.getElementById("tags").children;
  for (const [index, section] of [...document.getElementById("routes").children].entries()) {
    let some = 0;
    for (const box of [...section.children].slice(1)) {
      box.hidden = !words.every((word) => box.said.includes(word));
      some += box.hidden ? 0 : 1;
    }
    section.hidden = some === 0;
    links[index].hidden = section.hidden;
    shown += some;
  }
  document.getElementById("says").textContent = `${shown} ${shown === 1 ? "route" : "routes"}. Version ${api.info.version}.`;
}

async function offerProvider() {
  const answer = await fetch("/api/session/methods", { headers: {} }).catch(() => null);
  if (answer && answer.ok) document.getElementById("provider").hidden = !(await answer.json()).oidc;
}

async function read(token) {
  const says = document.getElementById("says");
  const form = document.getElementById("sign-in");
  let answer;
  try {
    answer = await fetch("/api/openapi.json", { credentials: "same-origin", headers: token ? { Authorization: `Bearer ${token}` } : {} });
  } catch {
    says.textContent = "The hub does not answer. Try again later.";
    return;
  }
  form.hidden = answer.ok;
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ detail: `the hub answered ${answer.status}` }));
    const nobody = answer.status === 401 && !token;
    says.textContent = nobody ? "This is shown to those who may read the hub. Give an access token." : `No: ${problem.detail.replace(/\.$/, "")}.`;
    offerProvider();
    return;
  }
  api = await answer.json();
  show();
}

document.getElementById("find").addEventListener("input", () => api && find());
document.getElementById("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  read(document.getElementById("token").value.trim());
});
read(null);

// The page of the API on a document of this file's own: run as `node docs_page_dom.mjs PAGE.JS OPENAPI.JSON STATUS`.
// Opens everything that opens, as far as four levels down, and prints what is then on the page.
import { readFileSync } from "node:fs";
import vm from "node:vm";

const [script, described, status] = process.argv.slice(2);

class Element {
  constructor(tag) { this.tag = tag; this.nodes = []; this.attributes = {}; this.listeners = {}; this.text = ""; this.value = ""; this.hidden = false; }
  get children() { return this.nodes; }
  set textContent(text) { this.text = String(text); this.nodes = []; }
  get textContent() { return this.text + this.nodes.map((each) => each.textContent).join(" "); }
  set className(name) { this.attributes.class = name; }
  set innerHTML(_) { throw new Error("only text may be put in"); }
  setAttribute(name, value) { this.attributes[name] = value; }
  append(...nodes) { for (const each of nodes) { if (!(each instanceof Element)) throw new Error(`appended ${each}`); this.nodes.push(each); } }
  replaceChildren(...nodes) { this.nodes = []; this.append(...nodes); }
  addEventListener(name, listener) { this.listeners[name] = listener; }
}

const known = Object.fromEntries(["find", "says", "sign-in", "token", "tags", "routes", "provider"].map((id) => [id, new Element(id)]));
known["sign-in"].hidden = known.provider.hidden = true;
const asked = [];
const context = vm.createContext({
  document: { createElement: (tag) => new Element(tag), getElementById: (id) => known[id] },
  fetch: async (url, options) => {
    asked.push([url, options.headers.Authorization ?? null]);
    if (url === "/api/session/methods") return { ok: true, status: 200, json: async () => ({ password: true, oidc: status === "403" }) };
    const signedIn = status === "200" || options.headers.Authorization;
    const body = signedIn ? JSON.parse(readFileSync(described, "utf8")) : { detail: "you have no role here: ask ops@example.com for one" };
    return { ok: Boolean(signedIn), status: signedIn ? 200 : Number(status), json: async () => body };
  },
});
vm.runInContext(readFileSync(script, "utf8"), context);
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
await settled();
const first = { says: known.says.text, form: !known["sign-in"].hidden, provider: !known.provider.hidden };
if (first.form) {
  known.token.value = "nxt_of-the-reader";
  known["sign-in"].listeners.submit({ preventDefault() {} });
  await settled();
}

let opened = 0;
function open(node, depth) {
  if (node.tag === "details" && depth < 5) { node.open = true; node.listeners.toggle(); opened += 1; depth += 1; }
  for (const each of node.nodes) open(each, depth);
}
if (status === "200") open(known.routes, 0);
const text = known.routes.textContent;
known.find.value = "operations cancel";
known.find.listeners.input();
const found = known.routes.nodes.flatMap((section) => section.nodes.slice(1).filter((each) => !each.hidden)).map((each) => each.said.split(" ").slice(0, 2).join(" "));
const links = known.tags.nodes.filter((each) => !each.hidden).map((each) => each.text);
console.log(JSON.stringify({ first, asked, opened, text, found, links, says: known.says.text, tags: known.tags.nodes.length }));

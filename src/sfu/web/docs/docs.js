// Shows /openapi.json: every operation with its parameters, bodies and answers. Everything is put into the page as text.

const MAX_DEPTH = 4;

/** @returns {HTMLElement} an element with these children, texts or elements */
function element(name, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

class Reference {
  constructor(api) {
    this.api = api;
  }

  resolve(schema) {
    const path = schema?.$ref?.split("/").slice(1);
    return path ? path.reduce((found, key) => found?.[key], this.api) ?? {} : (schema ?? {});
  }

  /** What a value is, in a few words. */
  type(schema) {
    const name = schema?.$ref?.split("/").pop();
    const found = this.resolve(schema);
    const several = found.anyOf ?? found.oneOf;
    if (several) return several.map((one) => this.type(one)).join(" or ");
    if (found.enum) return found.enum.map((word) => JSON.stringify(word)).join(" | ");
    if (found.const !== undefined) return JSON.stringify(found.const);
    if (found.type === "array") return `list of ${this.type(found.items)}`;
    return name ?? [found.type ?? "anything", found.format].filter(Boolean).join(", ");
  }

  /** The object behind a schema, if there is one: null values and lists do not count. */
  object(schema) {
    const found = this.resolve(schema);
    if (found.properties) return found;
    const inner = [...(found.anyOf ?? []), ...(found.oneOf ?? []), ...(found.items ? [found.items] : [])];
    return inner.map((one) => this.object(one)).find(Boolean) ?? null;
  }

  limits(schema) {
    const all = [schema, ...(this.resolve(schema).anyOf ?? [])].map((one) => this.resolve(one));
    const words = { minimum: "from", exclusiveMinimum: "above", maximum: "to", maxLength: "at most characters:", minLength: "at least characters:", maxItems: "at most items:" };
    const told = Object.entries(words).flatMap(([key, word]) => all.filter((one) => one[key] !== undefined).slice(0, 1).map((one) => `${word} ${one[key]}`));
    return told.length ? ` (${told.join(", ")})` : "";
  }

  fields(schema, depth = 0) {
    const object = this.object(schema);
    if (!object || depth > MAX_DEPTH) return null;
    const rows = Object.entries(object.properties).map(([name, one]) => this.row(name, one, object.required?.includes(name), depth));
    return element("table", {}, ...rows);
  }

  row(name, schema, isRequired, depth) {
    const text = this.resolve(schema).description ?? schema.description ?? "";
    const inner = this.fields(schema, depth + 1);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, element("code", {}, name), isRequired ? "" : "?"),
      element("td", {}, this.type(schema), this.limits(schema)),
      element("td", {}, text, ...(inner ? [inner] : [])),
    );
  }

  parameters(operation) {
    const given = (operation.parameters ?? []).map((one) => this.resolve(one));
    if (!given.length) return [];
    const rows = given.map((one) => this.row(`${one.name} (${one.in})`, { ...this.resolve(one.schema), description: one.description }, one.required, MAX_DEPTH));
    return [element("h3", {}, "Parameters"), element("table", {}, ...rows)];
  }

  content(title, holder) {
    const [media, one] = Object.entries(holder?.content ?? {})[0] ?? [];
    if (!media) return [element("h3", {}, title)];
    const table = this.fields(one.schema);
    return [element("h3", {}, `${title}: ${media}, ${this.type(one.schema ?? {})}`), ...(table ? [table] : [])];
  }

  operation(path, method, operation) {
    const answers = Object.entries(operation.responses ?? {}).flatMap(([status, response]) => this.content(`${status} ${this.resolve(response).description ?? ""}`, this.resolve(response)));
    return element(
      "details",
      { id: operation.operationId ?? `${method} ${path}` },
      element("summary", {}, element("span", { className: "method" }, method.toUpperCase()), " ", element("span", { className: "path" }, path), ` ${operation.summary ?? ""}`),
      element("p", {}, operation.description ?? ""),
      ...this.parameters(operation),
      ...(operation.requestBody ? this.content("Body", this.resolve(operation.requestBody)) : []),
      ...answers,
    );
  }

  sections() {
    const byTag = new Map();
    for (const [path, methods] of Object.entries(this.api.paths ?? {})) {
      for (const [method, operation] of Object.entries(methods)) {
        const tag = operation.tags?.[0] ?? "other";
        byTag.set(tag, [...(byTag.get(tag) ?? []), this.operation(path, method, operation)]);
      }
    }
    return [...byTag].map(([tag, operations]) => element("section", {}, element("h2", {}, tag), ...operations));
  }
}

function search(text) {
  const wanted = text.trim().toLowerCase();
  for (const one of document.querySelectorAll("details")) {
    one.hidden = !one.querySelector("summary").textContent.toLowerCase().includes(wanted);
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("details:not([hidden])");
  }
}

const main = document.querySelector("#operations");
try {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`status ${response.status}`);
  main.replaceChildren(...new Reference(await response.json()).sections());
  document.querySelector("#search").addEventListener("input", (event) => search(event.target.value));
} catch (error) {
  main.replaceChildren(element("p", {}, `The description can not be had: ${error.message}`));
}

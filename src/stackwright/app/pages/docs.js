"use strict";

const methods = ["get", "post", "put", "patch", "delete"];

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** A line of prose, with what stands between backticks as code. */
function prose(tag, text, className) {
  const made = element(tag, "", className);
  text.split("`").forEach((part, at) => made.append(at % 2 ? element("code", part) : part));
  return made;
}

/** Replace `$ref`s by what they name, a few levels deep, so that a body can be read in one place. */
function resolved(schema, components, depth = 6) {
  if (Array.isArray(schema)) return schema.map((one) => resolved(one, components, depth));
  if (!schema || typeof schema !== "object") return schema;
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return depth ? resolved(components[name], components, depth - 1) : name;
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, resolved(value, components, depth)]));
}

function block(into, title, schema, components) {
  if (!schema) return;
  into.append(element("strong", title));
  into.append(element("pre", JSON.stringify(resolved(schema, components), null, 2)));
}

function operation(path, method, entry, components) {
  const details = element("details");
  const summary = element("summary");
  summary.append(element("span", method.toUpperCase(), `method ${method}`));
  summary.append(element("code", path), prose("span", entry.summary, "what"));
  details.append(summary);
  details.dataset.words = `${method} ${path} ${entry.summary}`.toLowerCase();
  details.addEventListener("toggle", () => fill(details, entry, components), { once: true });
  return details;
}

function fill(details, entry, components) {
  const body = element("div");
  if (entry.description) body.append(prose("p", entry.description));
  const parameters = Object.fromEntries((entry.parameters || []).map((one) => [`${one.name} (${one.in})`, one.schema]));
  block(body, "Parameters", Object.keys(parameters).length ? parameters : null, components);
  block(body, "Body", entry.requestBody?.content["application/json"].schema, components);
  block(body, "Answer", entry.responses["200"]?.content?.["application/json"]?.schema, components);
  details.append(body);
}

function render(document_) {
  const main = document.getElementById("operations");
  const groups = new Map();
  for (const [path, entries] of Object.entries(document_.paths))
    for (const method of methods.filter((one) => entries[one])) {
      const tag = entries[method].tags[0];
      if (!groups.has(tag)) groups.set(tag, element("section"));
      if (!groups.get(tag).childElementCount) groups.get(tag).append(element("h2", tag));
      groups.get(tag).append(operation(path, method, entries[method], document_.components.schemas));
    }
  main.replaceChildren(...groups.values());
  document.getElementById("version").textContent = document_.info.version;
}

function filter(words) {
  for (const details of document.querySelectorAll("details")) details.hidden = !details.dataset.words.includes(words);
  for (const section of document.querySelectorAll("section"))
    section.hidden = !section.querySelector("details:not([hidden])");
}

document.getElementById("base").textContent = `${location.origin}/v1`;
document.getElementById("search").addEventListener("input", (event) => filter(event.target.value.toLowerCase()));

/** Load the description, with a key where one is given; ask for one where the server wants it. */
async function load(key) {
  const main = document.getElementById("operations");
  const form = document.getElementById("unlock");
  const answer = await fetch("/openapi.json", { headers: key ? { authorization: `Bearer ${key}` } : {} });
  form.hidden = answer.status !== 401;
  document.getElementById("search").hidden = !form.hidden;
  if (!form.hidden) {
    main.replaceChildren();
    document.getElementById("refused").textContent = key ? "The server does not know this key." : "";
  } else if (answer.ok) render(await answer.json());
  else throw new Error(`HTTP ${answer.status}`);
}

function start(key) {
  load(key).catch((error) => {
    document.getElementById("operations").textContent = `The description could not be loaded: ${error.message}`;
  });
}

document.getElementById("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  start(document.getElementById("key").value);
});
start();

// What a program does with OpenAI's client for Node. Prints what it saw, as JSON.
import OpenAI, { toFile } from "openai";
import { zodFunction, zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "node-key", maxRetries: 0 });
const messages = [{ role: "user", content: "Say it." }];
const city = z.object({ city: z.string() });

async function collected(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

async function chat() {
  const whole = await client.chat.completions.create({ model: "poet", messages });
  const stream = client.chat.completions.stream({ model: "poet", messages, stream_options: { include_usage: true } });
  const weather = zodFunction({ name: "weather", parameters: city, function: ({ city }) => `rain in ${city}` });
  const runner = client.chat.completions.runTools({ model: "caller", messages, tools: [weather], stream: true });
  return {
    whole: whole.choices[0].message.content,
    streamed: await stream.finalContent(),
    tokens: (await stream.totalUsage()).total_tokens,
    afterTools: await runner.finalContent(),
    asked: runner.messages.filter((message) => message.role === "tool").map((message) => message.content),
  };
}

async function responses() {
  const first = await client.responses.create({ model: "poet", input: "Say it." });
  const input = ["But", "And?"].map((content) => ({ role: "user", content }));
  const second = await client.responses.create({ model: "echo", input, previous_response_id: first.id });
  const stream = client.responses.stream({ model: "poet", input: "Say it." });
  let heard = "";
  stream.on("response.output_text.delta", (event) => (heard += event.delta));
  const final = await stream.finalResponse();
  const format = zodTextFormat(z.object({ name: z.string(), age: z.number() }), "person");
  const parsed = await client.responses.parse({ model: "person", input: "Who?", text: { format } });
  return {
    texts: [first.output_text, second.output_text, heard, final.output_text],
    inputs: (await collected(client.responses.inputItems.list(second.id, { limit: 1, order: "asc" }))).length,
    parsed: parsed.output_parsed,
    counted: (await client.responses.inputTokens.count({ model: "poet", input: "a b c" })).input_tokens,
  };
}

async function tools() {
  const tools = [zodResponsesFunction({ name: "weather", parameters: city })];
  const asked = await client.responses.parse({ model: "caller", input: "How is it?", tools });
  const [{ call_id, parsed_arguments }] = asked.output;
  const input = [{ type: "function_call_output", call_id, output: "rain" }];
  const told = await client.responses.create({ model: "caller", previous_response_id: asked.id, tools, input });
  return { arguments: parsed_arguments, text: told.output_text };
}

async function background() {
  const started = await client.responses.create({ model: "poet", input: "Say it.", background: true, stream: true });
  const events = await collected(started);
  const { id } = events[0].response;
  const again = await collected(await client.responses.retrieve(id, { stream: true, starting_after: 3 }));
  return { events: events.map((event) => event.type), again: again.map((event) => event.sequence_number) };
}

async function conversation() {
  const { id } = await client.conversations.create({ items: [{ type: "message", role: "user", content: "one" }] });
  await client.responses.create({ model: "echo", conversation: id, input: "two" });
  const items = await collected(client.conversations.items.list(id, { limit: 1, order: "asc" }));
  return items.map((item) => `${item.role}: ${item.content[0].text}`);
}

async function prompt() {
  const template = { model: "echo", messages: [{ role: "user", content: "Greet {{name}}." }] };
  const { id } = await client.post("/prompts", { body: template });
  const said = await client.responses.create({ prompt: { id, version: "1", variables: { name: "Ada" } } });
  return said.output_text;
}

async function files() {
  const file = await toFile(Buffer.from("hello"), "greeting.txt");
  const { id, status } = await client.files.create({ file, purpose: "user_data" });
  const text = await (await client.files.content(id)).text();
  const content = [{ type: "input_file", file_id: id }, { type: "input_text", text: "Read it." }];
  const read = await client.responses.create({ model: "poet", input: [{ role: "user", content }] });
  const listed = await collected(client.files.list({ limit: 1 }));
  return { status, text, read: read.status, listed: listed.length, deleted: (await client.files.delete(id)).deleted };
}

async function failures() {
  const tried = [
    () => client.responses.retrieve("resp_0"),
    () => client.responses.create({ model: "poet", input: "x", temperature: 9 }),
    () => new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "wrong" }).models.list(),
    () => client.chat.completions.stream({ model: "broken", messages }).finalContent(),
  ];
  const failed = await Promise.all(tried.map((one) => one().then(() => null, (error) => error)));
  return failed.map((error) => [error.constructor.name, error.status ?? null, error.param ?? null]);
}

const models = (await collected(client.models.list())).map((model) => model.id);
const saw = { models, chat: await chat(), responses: await responses(), tools: await tools() };
Object.assign(saw, { background: await background(), conversation: await conversation(), prompt: await prompt() });
console.log(JSON.stringify({ ...saw, files: await files(), failures: await failures() }));

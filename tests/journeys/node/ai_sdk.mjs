// What a program does with the AI SDK of Vercel. Prints what it saw, as JSON.
import { createOpenAI } from "@ai-sdk/openai";
import { embedMany, generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";

const openai = createOpenAI({ baseURL: process.env.BASE_URL, apiKey: "node-key" });
const prompt = "Say it.";
const tools = {
  weather: tool({ inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `rain in ${city}` }),
};
const asking = { prompt, maxRetries: 0, stopWhen: isStepCount(5) };
const schema = z.object({ name: z.string(), age: z.number() });

async function parts(stream) {
  const found = [];
  for await (const part of stream) found.push(part);
  return found;
}

async function spoken(model) {
  const whole = await generateText({ ...asking, model: model("poet") });
  const stream = streamText({ ...asking, model: model("poet") });
  const toolsUsed = await generateText({ ...asking, model: model("caller"), tools });
  const toolsStreamed = streamText({ ...asking, model: model("caller"), tools });
  const cut = streamText({ ...asking, model: model("broken"), onError: () => {} });
  const { output } = await generateText({ ...asking, model: model("person"), output: Output.object({ schema }) });
  const unknown = await generateText({ ...asking, model: model("nobody") }).catch((error) => error);
  return {
    texts: [whole.text, (await parts(stream.textStream)).join(""), toolsUsed.text, await toolsStreamed.text],
    tokens: [whole.usage.totalTokens, (await stream.usage).totalTokens],
    results: toolsUsed.steps[0].toolResults.map((result) => result.output),
    output,
    cut: (await parts(cut.stream)).filter((part) => part.type === "finish").map((part) => part.finishReason),
    unknown: [unknown.name, unknown.statusCode],
  };
}

async function chained() {
  const first = await generateText({ ...asking, model: openai.responses("poet") });
  const previousResponseId = first.providerMetadata.openai.responseId;
  const model = openai.responses("echo");
  const second = await generateText({ ...asking, model, prompt: "And?", providerOptions: { openai: { previousResponseId } } });
  const turns = [{ role: "user", content: prompt }, ...first.responseMessages, { role: "user", content: "More?" }];
  const third = await generateText({ model, messages: turns, maxRetries: 0 });
  const store = { providerOptions: { openai: { store: false } } };
  const unstored = await generateText({ model, messages: turns.with(-1, { role: "user", content: "Now?" }), ...store });
  return [second.text, third.text, unstored.text];
}

async function hosted() {
  const server = { serverLabel: "shop", serverUrl: process.env.MCP_URL };
  const model = openai.responses("adder");
  const free = { ...asking, model, tools: { shop: openai.tools.mcp(server) } };
  const careful = { model, maxRetries: 0, tools: { shop: openai.tools.mcp({ ...server, requireApproval: "always" }) } };
  const asked = await generateText({ ...careful, prompt });
  const { approvalId } = asked.content.find((part) => part.type === "tool-approval-request");
  const approved = { type: "tool-approval-response", approvalId, approved: true, providerExecuted: true };
  const turns = [{ role: "user", content: prompt }, ...asked.responseMessages, { role: "tool", content: [approved] }];
  return {
    whole: (await generateText(free)).text,
    streamed: await streamText(free).text,
    approved: (await generateText({ ...careful, messages: turns })).text,
  };
}

const saw = { responses: await spoken(openai.responses), chat: await spoken(openai.chat), chained: await chained() };
const { embeddings } = await embedMany({ model: openai.embedding("vectors"), values: ["a", "b"], maxRetries: 0 });
console.log(JSON.stringify({ ...saw, hosted: await hosted(), embeddings: embeddings.map((one) => one.length) }));

// The Vercel AI SDK with its provider for OpenAI-compatible servers, as opencode uses it.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {createOpenAICompatible} from '@ai-sdk/openai-compatible';
import {generateText, jsonSchema, Output, stepCountIs, streamText, tool} from 'ai';
import {z} from 'zod';
import {personSchema, startServer, tools, until} from './server.mjs';

let server, model;
before(async () => {
  server = await startServer();
  const provider = createOpenAICompatible(
      {name: 'fathom', baseURL: `${server.url}/v1`, includeUsage: true, supportsStructuredOutputs: true});
  model = provider('nano');
});
after(async () => assert.equal(await server.stop(), 0));

const base = {temperature: 0, maxOutputTokens: 400, maxRetries: 0};
const calculator = tool({
  description: tools.calculator.description,
  inputSchema: z.object({expression: z.string()}),
  execute: async ({expression}) => (expression === '36 + 17' ? '53' : 'unknown'),
});

test('plain answer', async () => {
  const answer = await generateText({...base, model, prompt: 'Hello!'});
  assert.equal(answer.text, 'Hello! How can I help you?');
  assert.equal(answer.finishReason, 'stop');
  assert.ok(answer.usage.outputTokens > 0);
});

test('streamed answer with reasoning and usage', async () => {
  const answer = streamText({...base, model, prompt: 'What is 347 + 285?'});
  let text = '';
  for await (const piece of answer.textStream) text += piece;
  assert.match(text, /632/);
  assert.ok((await answer.reasoningText).length > 0);
  assert.ok((await answer.usage).inputTokens > 0);
});

test('a tool is called, executed and its result used', async () => {
  const answer = await generateText(
      {...base, model, prompt: 'Calculate 36 + 17.', tools: {calculator}, stopWhen: stepCountIs(3)});
  assert.equal(answer.steps[0].toolCalls[0].toolName, 'calculator');
  assert.deepEqual(answer.steps[0].toolCalls[0].input, {expression: '36 + 17'});
  assert.match(answer.text, /53/);
});

test('a tool call streamed over several turns', async () => {
  const answer = streamText(
      {...base, model, prompt: 'Calculate 36 + 17.', tools: {calculator}, stopWhen: stepCountIs(3)});
  const parts = [];
  for await (const part of answer.fullStream) parts.push(part.type);
  assert.ok(parts.includes('tool-call') && parts.includes('tool-result'));
  assert.match(await answer.text, /53/);
});

test('required and named tools', async () => {
  for (const toolChoice of ['required', {type: 'tool', toolName: 'calculator'}]) {
    const answer = await generateText({...base, model, prompt: 'Hello!', tools: {calculator}, toolChoice,
                                       providerOptions: {fathom: {reasoningEffort: 'none'}}});
    assert.ok(answer.toolCalls.length >= 1);
    assert.equal(answer.toolCalls[0].toolName, 'calculator');
  }
});

test('an object by its schema', async () => {
  const answer = await generateText({
    ...base,
    model,
    prompt: 'Anna is 31 years old. Answer in JSON.',
    output: Output.object({schema: jsonSchema(personSchema)}),
  });
  assert.deepEqual(Object.keys(answer.output).sort(), ['age', 'name']);
});

test('errors', async () => {
  await assert.rejects(generateText({...base, model, prompt: 'word '.repeat(20000)}),
                       (error) => error.statusCode === 400 && /context|long/.test(error.message));
});

test('an aborted stream frees its place', async () => {
  const controller = new AbortController();
  const answer = streamText({model, prompt: 'Hello!', temperature: 1.5, maxOutputTokens: 4000, maxRetries: 0,
                             abortSignal: controller.signal, onError() {}});
  try {
    for await (const part of answer.fullStream) {
      if (part.type === 'text-delta' || part.type === 'reasoning-delta') controller.abort();
    }
  } catch (error) {
    assert.equal(error.name, 'AbortError');
  }
  await until(async () => (await server.running()) === 0);
});

// Clients that leave, don't read, or send nonsense: nothing of them stays behind.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import net from 'node:net';
import {join} from 'node:path';
import {test} from 'node:test';
import {chatAnswer, post, requestBytes, send} from './client.mjs';
import {Server, long, makeDirectory, mb, nano, nothingLeft, pause, randomNumbers, removeDirectory} from './server.mjs';

const good = {
  messages: [{role: 'user', content: 'What is the capital of France?'}],
  stream: true,
  stream_options: {include_usage: true},
  temperature: 0,
  max_tokens: 40,
};

async function assertHealthy(server, expected) {
  assert.deepEqual(await server.settle(), nothingLeft);
  const {text, reasoning} = chatAnswer(await post(server.port, '/v1/chat/completions', good));
  assert.equal(text + reasoning, expected);
  assert.deepEqual(await server.settle(), nothingLeft);
}

async function firstAnswer(server) {
  const {text, reasoning} = chatAnswer(await post(server.port, '/v1/chat/completions', good));
  return text + reasoning;
}

test('clients that leave at any moment leave nothing behind', async (t) => {
  const server = await Server.start(nano, '--max-queue', '4096');
  const expected = await firstAnswer(server);
  const random = randomNumbers(1);
  const leave = async (number) => {
    const request = {...good, messages: [{role: 'user', content: `Count to ${number}.`}], max_tokens: 2000};
    request.stream = random.below(4) > 0;
    const {socket, done} = send(server.port, requestBytes('/v1/chat/completions', request));
    await pause(random.below(400));
    if (random.below(2)) socket.destroy();
    else socket.resetAndDestroy();
    await done;
  };
  const rounds = long ? 40 : 4;
  let memory = 0;
  for (let round = 0; round < rounds; ++round) {
    await Promise.all(Array.from({length: 100}, (_, n) => leave(100 * round + n)));
    if (round === Math.floor(rounds / 2)) memory = server.memory().now;
  }
  await assertHealthy(server, expected);
  const {fathom_http_disconnects_total: left} = await server.metrics();
  t.diagnostic(`${100 * rounds} clients left, ${left} of them noticed; resident ${mb(memory)} -> ${mb(server.memory().now)}`);
  assert.ok(left > 0);
  assert.equal(await server.stop(), 0);
});

// What a token's event takes at least, with the logprobs of 20 tokens.
const kEventBytes = 1000;
// More than a client takes unread: a few megabytes even if the four end early.
const long_answer = {...good, n: 4, max_tokens: 2000, logit_bias: {1: -100}, logprobs: true, top_logprobs: 20, temperature: 1};

// Clients that ask for `long_answer` and take nothing of it.
function unread(server, count) {
  return Array.from({length: count}, () => {
    const socket = net.connect({port: server.port, host: '127.0.0.1', highWaterMark: 1024});
    socket.on('error', () => {});
    socket.write(requestBytes('/v1/chat/completions', long_answer));
    socket.pause();
    return socket;
  });
}

async function slowReadersCounted(server, count) {
  const end = Date.now() + 180_000;
  for (;;) {
    const {fathom_http_slow_readers_total: dropped} = await server.metrics();
    if (dropped >= count || Date.now() > end) return dropped;
    await pause(50);
  }
}

test('clients that do not read are dropped at the limit, which stops nobody', async (t) => {
  const directory = makeDirectory();
  const audit = join(directory, 'audit.jsonl');
  const unsent = 64 * 1024;
  const server = await Server.start(
    nano, '--max-unsent', String(unsent), '--write-timeout', '600', '--audit-log', audit, '--max-sequences', '200');
  const expected = await firstAnswer(server);
  const before = server.memory().now;
  const slow = unread(server, long ? 30 : 8);
  // Others go on meanwhile: whole answers, and one that takes a while to read.
  let answers = 0;
  let enough = false;
  const others = Array.from({length: 3}, async () => {
    do {
      assert.equal(await firstAnswer(server), expected);
      ++answers;
    } while (!enough);
  });
  const late = send(server.port, requestBytes('/v1/chat/completions', {...long_answer, n: 1, max_tokens: 20}));
  late.socket.pause();
  setTimeout(() => late.socket.resume(), 1000);
  const dropped = await slowReadersCounted(server, slow.length).finally(() => (enough = true));
  const memory = server.memory().now;
  await Promise.all(others);
  assert.equal(chatAnswer(await late.done).usage.completion_tokens, 20);
  assert.equal(dropped, slow.length);
  const {fathom_http_disconnects_total: left} = await server.metrics();
  assert.equal(left, 0);  // nobody has closed a connection
  for (const socket of slow) socket.destroy();
  await assertHealthy(server, expected);
  assert.equal(await server.stop(), 0);

  // Each was cancelled at the limit: what a client takes unread is the limit, its socket's buffer and the server's.
  const lines = readFileSync(audit, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const cancelled = lines.filter((line) => line.finish === 'cancelled').map((line) => line.completion_tokens);
  removeDirectory(directory);
  t.diagnostic(
    `${slow.length} slow readers, dropped after ${Math.min(...cancelled)} to ${Math.max(...cancelled)} of 8000 tokens; ` +
      `${answers} answers meanwhile; resident ${mb(before)} -> ${mb(memory)}`,
  );
  assert.equal(cancelled.length, slow.length);
  for (const tokens of cancelled) assert.ok(kEventBytes * tokens < unsent + 1e6, String(tokens));
});

test('clients that take nothing for too long are dropped, too', async (t) => {
  const server = await Server.start(nano, '--max-unsent', '64MiB', '--write-timeout', '1', '--max-sequences', '200');
  const expected = await firstAnswer(server);
  const slow = unread(server, 4);
  assert.equal(await slowReadersCounted(server, slow.length), slow.length);
  for (const socket of slow) socket.destroy();
  await assertHealthy(server, expected);
  assert.equal(await server.stop(), 0);
});

// Good requests with a few bytes changed, of the head or of the body.
function mutate(bytes, random) {
  let out = Buffer.from(bytes);
  for (let changes = 1 + random.below(4); changes > 0 && out.length > 1; --changes) {
    const at = random.below(out.length);
    const rest = out.subarray(at);
    switch (random.below(5)) {
      case 0:
        out[at] = random.below(256);
        break;
      case 1:
        out = Buffer.concat([out.subarray(0, at), rest.subarray(1 + random.below(8))]);
        break;
      case 2:
        out = Buffer.concat([out.subarray(0, at), Buffer.alloc(1 + random.below(3), random.below(256)), rest]);
        break;
      case 3: {  // a piece of it twice
        const piece = rest.subarray(0, random.below(40));
        out = Buffer.concat([out.subarray(0, at), piece, rest]);
        break;
      }
      default:
        out = out.subarray(0, at + 1);
    }
  }
  return out;
}

test('malformed requests are answered or closed, and nothing is left', async (t) => {
  const count = long ? 100_000 : 3000;
  const server = await Server.start(nano, '--header-timeout', '2', '--body-timeout', '2', '--max-queue', '4096');
  const expected = await firstAnswer(server);
  const tool = {type: 'function', function: {name: 'f', parameters: {type: 'object', properties: {a: {type: 'string'}}}}};
  const small = {messages: [{role: 'user', content: 'Hi'}], max_tokens: 1};
  const seeds = [
    requestBytes('/v1/chat/completions', {...small, tools: [tool], tool_choice: 'auto', stream: true}),
    requestBytes('/v1/chat/completions', {...small, response_format: {type: 'json_object'}, logprobs: true, top_logprobs: 2}),
    requestBytes('/v1/completions', {prompt: 'Once', max_tokens: 1, echo: true, logprobs: 1}),
    requestBytes('/v1/messages', {...small, model: 'nano', system: [{type: 'text', text: 'Be short.'}], stream: true}),
    requestBytes('/v1/responses', {input: 'Hi', max_output_tokens: 1, stream: true}),
    requestBytes('/tokenize', {content: 'Hello', with_pieces: true}),
    requestBytes('/v1/models'),
    requestBytes('/metrics'),
    requestBytes('/debug/engine'),
    requestBytes('/'),
  ];
  const random = randomNumbers(2);
  const statuses = {};
  let sent = 0;
  let memory = 0;
  const client = async () => {
    while (sent < count) {
      if (++sent === Math.floor(count / 2)) memory = server.memory().now;
      const bytes = mutate(seeds[random.below(seeds.length)], random);
      const {socket, done} = send(server.port, bytes);
      // What waits for more bytes is let go soon.
      const timer = setTimeout(() => (random.below(2) ? socket.destroy() : socket.end()), 100);
      const {status} = await done;
      clearTimeout(timer);
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({length: 64}, client));
  await assertHealthy(server, expected);
  const now = server.memory().now;
  t.diagnostic(`${sent} requests, answers by status (0: none) ${JSON.stringify(statuses)}`);
  t.diagnostic(`resident ${mb(memory)} at half time, ${mb(now)} at the end`);
  assert.ok(statuses[400] > 0 && statuses[200] > 0);
  assert.equal(statuses[500] ?? 0, 0);
  if (long) assert.ok(now < 1.1 * memory + 20e6);
  assert.equal(await server.stop(), 0);
});

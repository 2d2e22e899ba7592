// 1,000 streams in which nothing happens but heartbeats: what they cost.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {requestBytes, send} from './client.mjs';
import {Server, long, mb, nano, nothingLeft, pause} from './server.mjs';

const kStreams = 1000;
// Answers of 8,000 tokens, one after the other in the only place: for longer than the test takes on any machine.
const kTakers = long ? 20 : 4;

test('1,000 idle streams get heartbeats and cost less than 50 MB', async (t) => {
  // One place, which is taken for the whole test; the streams wait for it.
  const server = await Server.start(nano, '--max-sequences', '1', '--max-queue', String(kStreams + kTakers), '--heartbeat', '1');
  const endless = {messages: [{role: 'user', content: 'Tell a long story.'}], stream: true, cache_prompt: false};
  const never = {logit_bias: {1: -100}, temperature: 1, max_tokens: 8000, thinking: {type: 'disabled'}};
  const taken = [];
  for (let n = 0; n < kTakers; ++n) taken.push(send(server.port, requestBytes('/v1/chat/completions', {...endless, ...never})));
  while ((await server.metrics())['vllm:num_requests_waiting'] < kTakers - 1) await pause(20);
  const before = server.memory().now;

  let heartbeats = 0;
  const seen = new Set();
  const streams = Array.from({length: kStreams}, (_, number) => {
    const body = {messages: [{role: 'user', content: `Hello, I am ${number}.`}], stream: true};
    return send(server.port, requestBytes('/v1/chat/completions', body), {
      onData: (piece) => {
        if (!piece.toString('latin1').includes('\n: ')) return;
        ++heartbeats;
        seen.add(number);
      },
    });
  });
  const end = Date.now() + 60000;
  while (seen.size < kStreams && Date.now() < end) await pause(50);
  await pause(long ? 30000 : 2000);
  const metrics = await server.metrics();
  const cost = server.memory().now - before;
  t.diagnostic(`${metrics.fathom_http_connections} connections, ${heartbeats} heartbeats; ${mb(cost)} for ${kStreams} idle streams`);
  assert.equal(metrics['vllm:num_requests_running'], 1);
  assert.ok(metrics['vllm:num_requests_waiting'] >= kStreams, 'the place was free');
  assert.equal(seen.size, kStreams);
  assert.ok(metrics.fathom_http_connections > kStreams);
  assert.ok(cost < 50e6, mb(cost));
  for (const {socket} of [...streams, ...taken]) socket.destroy();
  assert.deepEqual(await server.settle(), nothingLeft);
  assert.equal(await server.stop(), 0);
});

// Whole sessions of Claude Code's and Codex's shape: what the client sends again comes from kept prefixes, also after a
// restart, and a restart changes no answer.
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {test} from 'node:test';
import {ClaudeCode, Codex, readCase} from './coding_sessions.mjs';
import {startServer} from './server.mjs';

const kinds = [['Claude Code', ClaudeCode, 'claude_code_session'], ['Codex', Codex, 'codex_session']];

// Plays the turns; `restart` of them begins with a new server on the same directory. A list of requests per turn.
async function play(Client, session, restart) {
  const directory = mkdtempSync(join(tmpdir(), 'fathom-session-'));
  const start = () => startServer('--normalise-prompts', 'headers', '--cache-dir', directory);
  let server = await start();
  try {
    const client = new Client(session);
    client.connect(server.url);
    const turns = [];
    for (const [index, turn] of session.turns.entries()) {
      if (index === restart) {
        assert.equal(await server.stop(), 0);
        server = await start();
        client.connect(server.url);
      }
      turns.push(await client.play(turn));
      if (index === 0 && client.title) await client.title(session.turns[0].user);
    }
    return turns;
  } finally {
    await server.stop();
    rmSync(directory, {recursive: true, force: true});
  }
}

// At least 95 of 100 tokens that the server has seen are hits, in every request and, new ones included, in all.
function checkHits(turns) {
  const requests = turns.flat();
  let prompt = 0, cached = 0;
  for (const [index, request] of requests.entries()) {
    if (index === 0) continue;
    const before = requests[index - 1];
    // A call that the limit cut off comes back otherwise than it was written.
    const broken = ['incomplete', 'max_tokens'].includes(before.stop);
    const known = before.prompt + (broken ? 0 : before.output);
    assert.ok(request.cached >= 0.95 * known, `request ${index}: ${request.cached} of ${known} known tokens`);
    if (index < turns[0].length) continue;
    prompt += request.prompt;
    cached += request.cached;
  }
  assert.ok(cached >= 0.95 * prompt, `${cached} of ${prompt} tokens`);
  return `${cached} of ${prompt} prompt tokens were hits (${(100 * cached / prompt).toFixed(1)} %)`;
}

for (const [name, Client, file] of kinds) {
  const session = readCase(file);
  test(`${name}: a session, with and without a restart`, async (t) => {
    const plain = await play(Client, session, -1);
    t.diagnostic(checkHits(plain));
    const restarted = await play(Client, session, Math.floor(session.turns.length / 2));
    t.diagnostic(`with a restart: ${checkHits(restarted)}`);
    const answers = (turns) => turns.map((requests) => requests.map(({answer, stop}) => ({answer, stop})));
    assert.deepEqual(answers(restarted), answers(plain));
    // The session is one with calls, or the answers above say little.
    const called = plain.filter((requests) => requests.length === 2).length;
    assert.ok(called >= session.turns.filter((turn) => turn.tool).length - 1, `${called} turns with calls`);
  });
}

test('a header that changes with every request ends all hits, and the server says why', async () => {
  const session = readCase('claude_code_session');
  const server = await startServer('--normalise-prompts', 'off');
  try {
    const client = new ClaudeCode(session);
    client.connect(server.url);
    const first = (await client.play(session.turns[0])).at(-1);
    const [second] = await client.play(session.turns[4]);
    assert.ok(second.prompt > first.prompt);
    assert.ok(second.cached < 0.05 * second.prompt, `${second.cached} of ${second.prompt}`);
    const {data} = await (await fetch(`${server.url}/debug/cache`)).json();
    assert.ok(data.some(({reason}) => /differs from all that is kept|nothing that begins like this/.test(reason)),
              JSON.stringify(data));
  } finally {
    await server.stop();
  }
});

// A server that answers like `fathom serve` but without a model: for working on the page, and for tests of what a model
// does not do on demand (tool calls, markup, errors, slow prompts).
//
//   node dev/mock.mjs --port 8000 [--dist dist] [--key SECRET] [--delay MS]
//
// The last user message chooses the answer: "tool", "think", "markdown", "code", "long code", "math", "table", "evil", "long", "endless",
// "slow prompt", "fail", "busy", "break", "context"; other messages are repeated.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';

const options = { port: '8000', dist: 'dist', key: '', delay: '15' };
for (let i = 2; i + 1 < process.argv.length; i += 2) options[process.argv[i].slice(2)] = process.argv[i + 1];

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
  "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const context = 4096;
const totals = { running: 0, prompt: 0, cached: 0, completion: 0, requests: 0 };
const started = Date.now();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const markdown = `# Heading

Some **bold** and *italic* text, \`inline code\`, and a [link](https://example.org/).

1. One
2. Two
   - nested

> A quotation.

| Name | Value |
|------|------:|
| a    | 1     |
| b    | 22    |

- [x] done
- [ ] to do
`;
const code = 'Here it is:\n\n```python\ndef add(a, b):\n    """Adds."""\n    return a + b\n```\n\nThat is all.';
const wordList = (length) => Array.from({ length }, (_, i) => `Word ${i}.`).join(' ');
const words = wordList(400);
const math = 'Inline $e^{i\\pi} + 1 = 0$ and display:\n\n$$\n\\int_0^1 x^2\\,dx = \\frac{1}{3}\n$$\n\nIt costs $5 and $6.';
const evil = `<img src=x onerror="window.hacked=1"> <script>window.hacked=2</script>

[click](javascript:window.hacked=3) [data](data:text/html,<script>window.hacked=4</script>)

<iframe srcdoc="<script>parent.hacked=5</script>"></iframe><svg onload="window.hacked=6"></svg>
<div style="position:fixed;inset:0" onclick="window.hacked=7">x</div>

![picture](http://127.0.0.1:1/picture.png) ![x](x" onerror="window.hacked=8)

<a href="javascript:window.hacked=9">a</a> <form action="http://127.0.0.1:1/"><button>go</button></form>

$\\href{javascript:window.hacked=10}{x}$ $$\\color{red}{\\text{<img src=x onerror=window.hacked=11>}}$$

\`\`\`html
<img src=x onerror="window.hacked=12">
\`\`\`

<details open ontoggle="window.hacked=13"><summary>s</summary>text</details> &lt;script&gt;
`;

function answerTo(messages, body) {
  const last = messages.at(-1);
  const text = typeof last?.content === 'string' ? last.content : '';
  if (last?.role === 'tool') return { content: `The tool said: ${text}` };
  if (/\btool\b/.test(text) && body.tools?.length) {
    return {
      reasoning: 'A tool helps here.',
      calls: [{ name: body.tools[0].function.name, arguments: '{"city": "Paris", "days": 3}' }],
    };
  }
  if (/\bthink\b/.test(text)) return { reasoning: 'First I think about it.\n\nThen I think **again**.', content: 'Thought and done.' };
  if (/\blong code\b/.test(text)) return { content: `${code}\n\n${words}` };
  if (/\bmarkdown\b/.test(text)) return { content: markdown };
  if (/\bcode\b/.test(text)) return { content: code };
  if (/\bmath\b/.test(text)) return { content: math };
  if (/\bevil\b/.test(text)) return { reasoning: evil, content: evil };
  if (/\bendless\b/.test(text)) return { content: wordList(100_000) };
  if (/\blong\b/.test(text)) return { content: words };
  return { content: `You said: ${text}` };
}

function pieces(text) {
  return text.match(/[\s\S]{1,6}/g) ?? [];
}

async function chat(request, response, body) {
  const { messages } = body;
  const text = String(messages.at(-1)?.content ?? '');
  const fail = (status, message, headers = {}) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(JSON.stringify({ error: { message, type: 'error', param: null, code: null } }));
  };
  if (/\bfail\b/.test(text)) return fail(500, 'The model could not go on.');
  if (/\bbusy\b/.test(text)) return fail(429, 'The queue is full.', { 'Retry-After': '7' });
  const promptTokens = Math.ceil(JSON.stringify(messages).length / 4);
  const cached = messages.length > 2 ? Math.floor(promptTokens / 2) : 0;
  totals.requests++;
  totals.running++;
  let gone = false;
  response.on('close', () => {
    gone = true;
    totals.running--;
  });
  const id = `chatcmpl-${totals.requests}`;
  const send = (delta, rest = {}) =>
    response.write(
      `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 1, model: body.model, choices: [{ index: 0, delta, finish_reason: null }], usage: null, ...rest })}\n\n`,
    );
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  const begun = Date.now();
  if (/slow prompt/.test(text)) {
    for (let done = 512; done <= 25000 && !gone; done += 2448) {
      response.write(`: prefill ${done}/25000 tokens, 512 cached, about ${Math.ceil((25000 - done) / 2448)} s left\n\n`);
      await sleep(150);
    }
  }
  const read = Date.now();
  const answer = answerTo(messages, body);
  let tokens = 0;
  send({ role: 'assistant', content: '' });
  if (body.thinking?.type !== 'disabled') {
    for (const piece of pieces(answer.reasoning ?? '')) {
      if (gone) break;
      send({ reasoning_content: piece });
      tokens++;
      await sleep(Number(options.delay));
    }
  }
  const reasoningTokens = tokens;
  for (const piece of pieces(answer.content ?? '')) {
    if (gone) break;
    send({ content: piece });
    tokens++;
    await sleep(Number(options.delay));
    if (/\bbreak\b/.test(text) && tokens > 2) {
      await sleep(300); // what was sent arrives before the connection ends
      return response.destroy();
    }
  }
  for (const [index, call] of (answer.calls ?? []).entries()) {
    send({ tool_calls: [{ index, id: `call_${totals.requests}_${index}`, type: 'function', function: { name: call.name, arguments: '' } }] });
    for (const piece of pieces(call.arguments)) {
      send({ tool_calls: [{ index, function: { arguments: piece } }] });
      tokens++;
      await sleep(Number(options.delay));
    }
  }
  const finish = answer.calls ? 'tool_calls' : 'stop';
  send({}, { choices: [{ index: 0, delta: {}, finish_reason: finish }] });
  const usage = {
    prompt_tokens: /\bcontext\b/.test(text) ? 3000 : promptTokens,
    completion_tokens: tokens,
    total_tokens: promptTokens + tokens,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
  const perSecond = (n, ms) => (n * 1000) / Math.max(1, ms);
  send({}, {
    choices: [],
    usage,
    timings: {
      prompt_n: promptTokens - cached, prompt_per_second: perSecond(promptTokens, read - begun), cache_n: cached,
      predicted_n: tokens, predicted_per_second: perSecond(tokens, Date.now() - read),
    },
  });
  response.end('data: [DONE]\n\n');
  totals.prompt += promptTokens;
  totals.cached += cached;
  totals.completion += tokens;
}

const json = {
  '/health': () => ({ status: 'ok' }),
  '/v1/models': () => ({
    object: 'list',
    data: [{
      id: 'mock-model', object: 'model', created: 1, owned_by: 'fathom', max_model_len: context,
      meta: { n_ctx_train: context, n_vocab: 4096, n_embd: 256, n_params: 17_000_000, size: 34_000_000 },
    }],
  }),
  '/props': () => ({
    model_path: '/models/mock', build_info: 'mock', machine: { cpu: 'Mock CPU', cores: 8, ram_bytes: 16e9, isa: 'avx2' },
  }),
  '/debug/engine': () => ({
    uptime_s: (Date.now() - started) / 1000, resident_bytes: 123e6, running: totals.running, waiting: 0,
    max_sequences: 16, cache_bytes: 5e6, cache_bytes_limit: 1e9, kept_prefixes: 3, preemptions: 0,
    prompt_tokens: totals.prompt, cached_tokens: totals.cached, completion_tokens: totals.completion,
    prompt_tokens_read: totals.prompt - totals.cached, generated_tokens: totals.completion, step_s: totals.completion / 100,
    active: Array.from({ length: totals.running }, (_, number) => ({
      number, state: number ? 'answering' : 'reading', key: 'laptop', user: '', age_s: 3 + number, prompt_tokens: 25000,
      cached_tokens: 512, read_tokens: 9000, generated_tokens: number * 20,
    })),
    http: { connections: 2 },
  }),
};

async function serveFile(response, urlPath) {
  const name = path.normalize(urlPath === '/' ? '/index.html' : urlPath);
  const file = path.join(options.dist, name);
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) return response.writeHead(404).end();
  response.writeHead(200, {
    'Content-Type': types[path.extname(file)] ?? 'application/octet-stream',
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
  });
  createReadStream(file).pipe(response);
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const api = url.pathname in json || url.pathname === '/v1/chat/completions';
  if (api && options.key && request.headers.authorization !== `Bearer ${options.key}`) {
    response.writeHead(401, { 'Content-Type': 'application/json' });
    return response.end(JSON.stringify({ error: { message: 'This server needs an API key.', type: 'authentication_error' } }));
  }
  if (url.pathname in json) {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    return response.end(JSON.stringify(json[url.pathname]()));
  }
  if (url.pathname !== '/v1/chat/completions') return serveFile(response, url.pathname);
  let text = '';
  for await (const chunk of request) text += chunk;
  return chat(request, response, JSON.parse(text));
});
server.listen(Number(options.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));

// A `fathom serve` as a process of its own, and what can be seen of it from outside. FATHOM_BINARY names the program.
import {spawn} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {after} from 'node:test';
import {fileURLToPath} from 'node:url';
import {getJson, getText} from './client.mjs';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const nano = join(root, 'models/nano');
// Full lengths: minutes for each file.
export const long = process.env.FATHOM_LONG_TESTS === '1';

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function makeDirectory() {
  return mkdtempSync(join(tmpdir(), 'fathom-load-'));
}
export function removeDirectory(directory) {
  rmSync(directory, {recursive: true, force: true});
}

// A test that fails leaves its server behind, and its connections would keep the file from ending.
const running = new Set();
after(() => {
  for (const child of running) child.kill('SIGKILL');
});

export class Server {
  // Resolves when the server is ready to answer.
  static async start(model, ...options) {
    const server = new Server();
    server.home = makeDirectory();
    const binary = process.env.FATHOM_BINARY ?? join(root, 'build/release/bin/fathom');
    server.child = spawn(binary, ['serve', '--port', '0', '--model', model, ...options], {
      env: {...process.env, XDG_STATE_HOME: server.home, XDG_CACHE_HOME: server.home},
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    running.add(server.child);
    server.exited = new Promise((resolve) => server.child.once('exit', (code, signal) => resolve(signal ?? code)));
    server.exited.then(() => running.delete(server.child));
    server.port = await new Promise((resolve, reject) => {
      let text = '';
      server.child.stdout.on('data', (data) => {
        text += data;
        const ready = /ready at http:\/\/[^ ]*:(\d+),/.exec(text);
        if (ready) resolve(Number(ready[1]));
      });
      server.exited.then((how) => reject(new Error(`fathom serve ended with ${how}`)));
    });
    return server;
  }

  // Ends it with `signal`; resolves to its exit code, or the signal's name if that ended it.
  async stop(signal = 'SIGTERM') {
    this.child.kill(signal);
    const how = await this.exited;
    removeDirectory(this.home);
    return how;
  }

  // Resident bytes, now and at most so far.
  memory() {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    const of = (name) => 1024 * Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(status)[1]);
    return {now: of('VmRSS'), most: of('VmHWM')};
  }

  // Seconds of CPU of all its threads together.
  cpuSeconds() {
    const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;  // user and system, in ticks
  }

  // name of /metrics -> value, labels left out.
  async metrics() {
    const values = {};
    for (const line of (await getText(this.port, '/metrics')).split('\n')) {
      const match = /^([a-z_:]+)(?:\{[^}]*\})? ([-+0-9.e]+)$/.exec(line);
      if (match) values[match[1]] = Number(match[2]);
    }
    return values;
  }

  engine() {
    return getJson(this.port, '/debug/engine');
  }

  // Waits until no request is left and no connection but the one that asks; the figures of the last look.
  async settle(seconds = 20) {
    const end = Date.now() + 1000 * seconds;
    for (;;) {
      const all = await this.metrics();
      const left = {
        running: all['vllm:num_requests_running'],
        waiting: all['vllm:num_requests_waiting'],
        connections: all.fathom_http_connections - 1,
        exchanges: all.fathom_http_exchanges - 1,
      };
      if (Object.values(left).every((count) => count === 0) || Date.now() > end) return left;
      await pause(50);
    }
  }
}

export const nothingLeft = {running: 0, waiting: 0, connections: 0, exchanges: 0};

// Where the engine's thread spent its time between two looks at engine(), in words.
export function shares(before, after) {
  const step = after.step_s - before.step_s;
  const outside = step - (after.model_s - before.model_s);
  const handlers = after.handler_s - before.handler_s;
  const tokens = after.generated_tokens - before.generated_tokens;
  return (
    `${after.steps - before.steps} steps in ${step.toFixed(1)} s, ${Math.round(tokens / step)} tokens/s; ` +
    `outside the model ${((100 * outside) / step).toFixed(2)} % (event handlers ${((100 * handlers) / step).toFixed(2)} %)`
  );
}

export const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

// The same numbers for the same seed: mulberry32.
export function randomNumbers(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {next, below: (count) => Math.floor(next() * count)};
}

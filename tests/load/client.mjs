// HTTP over plain sockets, so that hundreds of clients take little of the two cores that the server needs.
import net from 'node:net';

// The bytes of a request. `body` is a value for JSON, or bytes.
export function requestBytes(path, body, {method = body === undefined ? 'GET' : 'POST', close = true} = {}) {
  const payload = body === undefined ? '' : Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const head =
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: ${close ? 'close' : 'keep-alive'}\r\n` +
    (body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(payload)}\r\n`) +
    '\r\n';
  return Buffer.concat([Buffer.from(head), Buffer.from(payload)]);
}

// Sends the request and reads until the server closes. `done` resolves to {status, headers, body}, and to {broken: true}
// besides if the answer was not complete. `onData` sees pieces as they come.
export function send(port, bytes, {onData} = {}) {
  const pieces = [];
  const socket = net.connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  socket.write(bytes);
  socket.on('data', (piece) => {
    pieces.push(piece);
    if (onData) onData(piece, socket);
  });
  const done = new Promise((resolve) => {
    socket.on('error', () => {});  // 'close' follows
    socket.on('close', () => resolve(parseAnswer(Buffer.concat(pieces))));
  });
  return {socket, done};
}

export function post(port, path, body) {
  return send(port, requestBytes(path, body)).done;
}

export async function getText(port, path) {
  const answer = await send(port, requestBytes(path)).done;
  if (answer.status !== 200) throw new Error(`GET ${path} was answered with ${answer.status}`);
  return answer.body;
}

export async function getJson(port, path) {
  return JSON.parse(await getText(port, path));
}

function parseAnswer(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return {status: 0, headers: '', body: '', broken: true};
  const headers = bytes.toString('latin1', 0, end);
  const status = Number(headers.slice(9, 12));
  const rest = bytes.subarray(end + 4);
  if (/^transfer-encoding: chunked$/im.test(headers)) {
    const {body, complete} = dechunk(rest);
    return complete ? {status, headers, body} : {status, headers, body, broken: true};
  }
  const length = Number(/^content-length: (\d+)$/im.exec(headers)?.[1] ?? 0);
  const body = rest.toString('utf8');
  return rest.length === length ? {status, headers, body} : {status, headers, body, broken: true};
}

function dechunk(bytes) {
  const pieces = [];
  let complete = false;
  for (let at = 0; at < bytes.length; ) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) break;
    const size = parseInt(bytes.toString('latin1', at, line), 16);
    if (size === 0) complete = bytes.length === line + 4;
    if (!(size > 0) || line + 2 + size > bytes.length) break;
    pieces.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
  return {body: Buffer.concat(pieces).toString('utf8'), complete};
}

// The events of a stream of chat.completion.chunk objects; comments are left out.
export function events(body) {
  return body
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: {'))
    .map((frame) => JSON.parse(frame.slice(6)));
}

// What a whole streamed answer says: {text, logprobs, finish, usage}. Throws if it is not a whole one.
export function chatAnswer({status, body, broken}) {
  if (status !== 200 || broken) throw new Error(`status ${status}${broken ? ', cut off' : ''}: ${body.slice(-300)}`);
  if (!body.endsWith('data: [DONE]\n\n')) throw new Error(`no [DONE] at the end: ${body.slice(-300)}`);
  const answer = {text: '', reasoning: '', logprobs: [], finish: null, usage: null};
  for (const event of events(body)) {
    if (event.error) throw new Error(`the stream says: ${event.error.message}`);
    if (event.usage) answer.usage = event.usage;
    for (const choice of event.choices) {
      answer.text += choice.delta.content ?? '';
      answer.reasoning += choice.delta.reasoning_content ?? '';
      if (choice.logprobs) answer.logprobs.push(choice.logprobs);
      answer.finish = choice.finish_reason ?? answer.finish;
    }
  }
  if (!answer.finish || !answer.usage) throw new Error(`no finish_reason or no usage: ${body.slice(-300)}`);
  return answer;
}

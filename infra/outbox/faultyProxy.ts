/** An HTTP proxy in front of Kinesis or DynamoDB that can be told to misbehave; for tests. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Call {
  /** `PutRecords`, `PutItem`, ... */
  readonly action: string;
  readonly body: string;
}

export type Behaviour =
  /** Passes everything on. */
  | 'pass'
  /** Takes the request and says nothing. */
  | 'hang'
  /** Closes the connection before anything happened. */
  | 'away'
  /** Passes the request on and closes the connection instead of answering. */
  | 'lose answers'
  /** Answers itself, perhaps after passing something on; null passes the call on as it is. */
  | ((
      call: Call,
      pass: (body: string) => Promise<{ status: number; body: string }>,
    ) => Promise<{ status: number; body: string } | null>);

export interface FaultyProxy {
  readonly url: string;
  behaviour: Behaviour;
  /** Actions that came in, in order. */
  readonly calls: string[];
  close(): Promise<void>;
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function faultyProxy(upstream: string): Promise<FaultyProxy> {
  const target = new URL(upstream);
  const forward = (incoming: IncomingMessage, body: string) =>
    new Promise<{ status: number; headers: IncomingMessage['headers']; body: string }>((resolve, reject) => {
      const headers = {
        ...incoming.headers,
        host: target.host,
        'content-length': String(Buffer.byteLength(body)),
      };
      const outgoing = request(
        { host: target.hostname, port: target.port, method: incoming.method, path: incoming.url, headers },
        answer => {
          bodyOf(answer).then(
            text =>
              resolve({ status: answer.statusCode ?? 500, headers: answer.headers, body: text.toString() }),
            reject,
          );
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const body = (await bodyOf(incoming)).toString();
    const action =
      String(incoming.headers['x-amz-target'] ?? '')
        .split('.')
        .at(-1) ?? '';
    proxy.calls.push(action);
    const { behaviour } = proxy;
    if (behaviour === 'hang') return;
    if (behaviour === 'away') return void incoming.socket.destroy();
    if (typeof behaviour === 'function') {
      const answer = await behaviour({ action, body }, changed => forward(incoming, changed));
      if (answer) {
        outgoing.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.1' });
        outgoing.end(answer.body);
        return;
      }
    }
    const answer = await forward(incoming, body);
    if (behaviour === 'lose answers') return void incoming.socket.destroy();
    outgoing.writeHead(answer.status, answer.headers);
    outgoing.end(answer.body);
  };
  const server = createServer((incoming, outgoing) => {
    handle(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const proxy: FaultyProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    behaviour: 'pass',
    calls: [],
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return proxy;
}

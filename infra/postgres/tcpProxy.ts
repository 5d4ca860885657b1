/** A TCP proxy in front of PostgreSQL that cuts, swallows or delays; for tests. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** What the server sends is thrown away: requests arrive, answers do not. */
  swallowAnswers: boolean;
  /** What clients send is kept back. */
  holdRequests: boolean;
  /** Delivers what was kept back, also of clients that are gone. */
  release(): void;
  /** New connections are refused. */
  refuse: boolean;
  /** Called with each chunk that a client sends, before it goes on. */
  onRequest: (chunk: Buffer) => void;
  /** Cuts the clients off; `serverToo` also ends the server's side, otherwise it learns nothing. */
  cut(serverToo: boolean): void;
  close(): Promise<void>;
}

export async function tcpProxy(upstream: { host: string; port: number }): Promise<TcpProxy> {
  const pairs = new Set<{ client: Socket; server: Socket; held: Buffer[] }>();
  const server = createServer(client => {
    if (proxy.refuse) return void client.destroy();
    const pair = { client, server: connect(upstream.port, upstream.host), held: [] as Buffer[] };
    pairs.add(pair);
    client.on('error', () => {});
    pair.server.on('error', () => {});
    client.on('data', chunk => {
      proxy.onRequest(chunk);
      if (proxy.holdRequests) pair.held.push(chunk);
      else pair.server.write(Buffer.concat([...pair.held.splice(0), chunk]));
    });
    pair.server.on('data', chunk => {
      if (!proxy.swallowAnswers) client.write(chunk);
    });
    pair.server.on('close', () => {
      client.destroy();
      pairs.delete(pair);
    });
    client.on('close', () => {
      if (pair.held.length === 0) pair.server.end();
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const proxy: TcpProxy = {
    port: (server.address() as AddressInfo).port,
    swallowAnswers: false,
    holdRequests: false,
    refuse: false,
    release() {
      proxy.holdRequests = false;
      for (const pair of pairs) pair.server.write(Buffer.concat(pair.held.splice(0)));
    },
    onRequest: () => {},
    cut(serverToo) {
      for (const pair of pairs) {
        if (serverToo) pair.server.destroy();
        pair.client.destroy();
      }
    },
    async close() {
      for (const pair of pairs) {
        pair.server.destroy();
        pair.client.destroy();
      }
      await new Promise<void>(resolve => server.close(() => resolve()));
    },
  };
  return proxy;
}

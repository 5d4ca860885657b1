/**
 * A wire that a test can cut: a TCP proxy between a node and one of its servers. Cut, it refuses new connections and
 * drops the open ones, as a server does that is away; healed, it lets them through again. The server itself, which other
 * tests use too, notices nothing.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Wire {
  /** The server's URL through the wire. */
  readonly url: string;
  cut(): void;
  heal(): Promise<void>;
  close(): Promise<void>;
}

const listen = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });

/** Lays a wire to the server that `url` names (any scheme with host and port). */
export const layWire = async (url: string): Promise<Wire> => {
  const target = new URL(url);
  const port = Number(target.port);
  const open = new Set<Socket>();
  const start = (): Server =>
    createServer(near => {
      const far = connect(port, target.hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        open.add(from);
        from.pipe(to);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          open.delete(from);
          to.destroy();
        });
      }
    });
  let server: Server | null = start();
  const through = await listen(server, 0);
  const shown = new URL(url);
  shown.hostname = '127.0.0.1';
  shown.port = String(through);
  const cut = (): void => {
    server?.close();
    server = null;
    for (const socket of open) socket.destroy();
  };
  return {
    url: shown.href,
    cut,
    heal: async () => {
      if (server !== null) return;
      server = start();
      await listen(server, through);
    },
    close: async () => cut(),
  };
};

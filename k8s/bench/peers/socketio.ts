/**
 * A server on Socket.IO, WebSocket only: one `emit` for each event, with the same bytes as a binary payload or with the
 * same content as its own JSON; and an acknowledgement of a command that does nothing.
 *
 * What it does not do: sign anybody in, keep events for phones that were away (its connection state recovery is off; it
 * would cost more), notice a phone that is too slow, do a command once.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { movementId, pointsChanged, REASON } from './event.ts';
import { serve, type Way } from './server.ts';

const sockets: Socket[] = [];
const nth: number[] = [];
const http = createServer();
const server = new Server(http, {
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  maxHttpBufferSize: 16 * 1024,
});
// Its own advice for memory: the request is not needed after the handshake.
server.engine.on('connection', (raw: { request: unknown }) => {
  raw.request = null;
});
server.on('connection', socket => {
  nth.push(0);
  sockets.push(socket);
  socket.on('c', (_body: unknown, answer: (reply: unknown) => void) => answer(REPLY));
  socket.on('j', (_op: string, body: unknown, _key: string, answer: (reply: unknown) => void) =>
    answer(body),
  );
});

/** As long as our reply to the same command. */
const REPLY = Buffer.from([0x94, 1, 0xce, 0, 0, 0, 0, 0, 0x91, 0xc3]);

let moved = 0;
const binary: Way = {
  say: (phone, stamp) => {
    const n = ++nth[phone]!;
    sockets[phone]!.emit('e', pointsChanged(randomUUID(), n, movementId(++moved), stamp));
  },
};
const json: Way = {
  say: (phone, stamp) => {
    const n = ++nth[phone]!;
    const transferId = movementId(++moved);
    const body = { transferId, delta: 1, balance: stamp, balanceVersion: n, reason: REASON };
    sockets[phone]!.emit('points.changed', n, randomUUID(), body);
  },
};

http.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 }, () => {
  const { port } = http.address() as AddressInfo;
  serve(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, null, { binary, json });
});

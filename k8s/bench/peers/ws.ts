/**
 * A server on `ws` that does what one does with it: a table of sockets, and one `send` for each event.
 *
 * What it does not do: sign anybody in, give events a place in an order, keep them for phones that were away, notice a
 * phone that is too slow, answer commands once.
 */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { movementId, pointsChanged } from './event.ts';
import { serve, type Way } from './server.ts';

const sockets: WebSocket[] = [];
const nth: number[] = [];
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: false,
  clientTracking: false,
  backlog: 4_096,
});
server.on('connection', socket => {
  nth.push(0);
  sockets.push(socket);
  socket.on('message', bytes => socket.send(bytes));
  socket.on('error', () => {});
});

let moved = 0;
const send: Way = {
  say: (phone, stamp) => {
    const n = ++nth[phone]!;
    sockets[phone]!.send(pointsChanged(randomUUID(), n, movementId(++moved), stamp));
  },
};

server.on('listening', () => {
  serve(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, null, { send });
});

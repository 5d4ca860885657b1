/**
 * The peer of the location benchmark: a bare uWebSockets server that sends each message back and does nothing else. What
 * one core can echo, uncompressed, is the ceiling of what one core can do with positions. Runs as a child process of its own.
 */
import { App, us_socket_local_port } from 'uWebSockets.js';

App()
  .ws('/*', {
    maxPayloadLength: 16 * 1024,
    upgrade: (response, request, context) => {
      response.upgrade(
        {},
        request.getHeader('sec-websocket-key'),
        request.getHeader('sec-websocket-protocol'),
        request.getHeader('sec-websocket-extensions'),
        context,
      );
    },
    message: (socket, message, isBinary) => {
      socket.send(message, isBinary);
    },
  })
  .listen('127.0.0.1', 0, token => {
    if (!token) process.exit(1);
    process.send?.({ port: us_socket_local_port(token) });
  });
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => {});

/**
 * A token in the handshake: `Sec-WebSocket-Protocol: heyblue.v1.msgpack, bearer.<base64url of the token>`. Whoever sends
 * it there is refused before a socket exists; HELLO then carries an empty token. The answer names the app's protocol only,
 * and the header is written into no log.
 */
import { SUBPROTOCOL } from '../protocol/catalogue.ts';

const PREFIX = 'bearer.';

const offered = (protocols: string): string[] => protocols.split(',').map(one => one.trim());

/** Whether the client speaks our protocol. */
export const offersApp = (protocols: string): boolean => offered(protocols).includes(SUBPROTOCOL);

/** The token in the handshake; null when there is none, empty when it is nonsense. */
export const bearerOf = (protocols: string): string | null => {
  const found = offered(protocols).filter(one => one.startsWith(PREFIX));
  if (found.length === 0) return null;
  const text = found[0]!.slice(PREFIX.length);
  if (found.length > 1 || !/^[\w-]+$/.test(text)) return '';
  return Buffer.from(text, 'base64url').toString('latin1');
};

/** Bytes through the realtime door of a node, as somebody sends them who never says hello. */
import { SUBPROTOCOL } from '../../protocol/index.ts';
import { RawSocket } from '../swarm/socket.ts';

const MS_MAX = 3_000;

/** Opens a socket, sends one frame, and waits until the door is shut or nothing more happens. */
export const pour = (url: string, bytes: Uint8Array): Promise<void> =>
  new Promise(resolve => {
    const socket = new RawSocket({
      url,
      subprotocol: SUBPROTOCOL,
      onOpen: () => socket.send(bytes),
      onMessage: () => {},
      onClose: () => resolve(),
    });
    setTimeout(() => socket.close(), MS_MAX).unref();
  });

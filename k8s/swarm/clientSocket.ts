/**
 * The cheap socket of the load generator in the shape of a browser's WebSocket, so that the real client (gateway/client)
 * can be run by the thousand, and the place where a run sees what the server said before the client does.
 */
import type { SocketConstructor, SocketLike } from '../../gateway/client/types.ts';
import { FRAME } from '../../protocol/frames.ts';
import { decodeServerFrame, type ServerFrame } from '../../protocol/index.ts';
import { RawSocket } from './socket.ts';

type Welcome = Extract<ServerFrame, { type: 'welcome' }>;

/** What a run wants to know of every socket of one phone; `url` is where it goes. */
export interface SocketWatch {
  readonly welcome: (frame: Welcome, url: string, socket: object) => void;
  readonly goaway: (url: string) => void;
  /** Once for each socket. */
  readonly closed: (code: number, reason: string, url: string, socket: object) => void;
}

export interface SocketPlan {
  /** Source address, 127.0.0.x. */
  readonly localAddress?: string;
  readonly watch: SocketWatch;
}

const raws = new WeakMap<object, RawSocket>();

/** Ends a socket that a watch was told of as a network does that is gone: no close frame, no goodbye. */
export const lose = (socket: object): void => raws.get(socket)?.destroy();

/** A constructor for the option `WebSocket` of the client. */
export const socketsOf = ({ localAddress, watch }: SocketPlan): SocketConstructor =>
  class ClientSocket implements SocketLike {
    binaryType = 'arraybuffer';
    onopen: SocketLike['onopen'] = null;
    onmessage: SocketLike['onmessage'] = null;
    onclose: SocketLike['onclose'] = null;
    onerror: SocketLike['onerror'] = null;
    readonly #raw: RawSocket;

    constructor(url: string, protocols: string) {
      const see = (frame: ServerFrame): void => {
        if (frame.type === 'welcome') watch.welcome(frame, url, this);
        else if (frame.type === 'goaway') watch.goaway(url);
      };
      this.#raw = new RawSocket({
        url,
        subprotocol: protocols,
        ...(localAddress === undefined ? {} : { localAddress }),
        onOpen: () => this.onopen?.({} as never),
        onMessage: bytes => {
          // The bytes are ours during the call only; what the client keeps of them must be its own: `slice` of a Buffer is not.
          const data = new Uint8Array(bytes);
          // A frame is an array whose first entry is its type; only two types are looked into twice.
          if (data[1] === FRAME.hello || data[1] === FRAME.goaway) see(decodeServerFrame(data));
          this.onmessage?.({ data });
        },
        onClose: (code, reason) => {
          watch.closed(code, reason, url, this);
          this.onclose?.({ code, reason });
        },
      });
      raws.set(this, this.#raw);
    }

    send(data: Uint8Array<ArrayBuffer>): void {
      this.#raw.send(data);
    }

    close(code = 1000): void {
      this.#raw.close(code);
    }
  };

/**
 * A Socket.IO client on the wire: Engine.IO 4 over WebSocket, as its protocol documents have it. It connects to the main
 * namespace, answers pings, and hands over packets as they came; what they mean is for the load to say.
 */
import { RawSocket, textFrame } from './socket.ts';

export interface EngineIoOptions {
  /** `ws://127.0.0.1:port/socket.io/?EIO=4&transport=websocket` */
  readonly url: string;
  readonly localAddress?: string;
  /** Connected to the namespace. */
  readonly onOpen: () => void;
  /** A Socket.IO packet, from its type on; the bytes are valid only during the call. */
  readonly onPacket: (text: Buffer) => void;
  /** A binary attachment of the packet before. */
  readonly onBinary: (bytes: Uint8Array) => void;
  readonly onClose: (code: number, reason: string) => void;
}

const CODE = { open: 0x30, ping: 0x32, message: 0x34 } as const;
const CONNECT = textFrame('40');
const PONG = textFrame('3');
const CONNECTED = 0x30;

export class EngineIoSocket {
  readonly #socket: RawSocket;

  constructor(options: EngineIoOptions) {
    const { url, localAddress, onOpen, onPacket, onBinary, onClose } = options;
    this.#socket = new RawSocket({
      url,
      ...(localAddress !== undefined && { localAddress }),
      onOpen: () => {},
      onMessage: onBinary,
      onText: text => {
        if (text[0] === CODE.message && text[1] === CONNECTED) onOpen();
        else if (text[0] === CODE.message) onPacket(text.subarray(1));
        else if (text[0] === CODE.ping) this.#socket.sendFrame(PONG);
        else if (text[0] === CODE.open) this.#socket.sendFrame(CONNECT);
      },
      onClose,
    });
  }

  sendFrame(frame: Buffer): void {
    this.#socket.sendFrame(frame);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

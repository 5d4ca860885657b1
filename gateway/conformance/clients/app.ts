/**
 * Our own client as the kit sees it: what its app does comes in, what its app saw goes out. Nothing here is of Node or of
 * a browser, so that both run the same.
 */
import type { CommandName } from '../../../protocol/catalogue.ts';
import {
  HeyBlueClient,
  type Message,
  type Position,
  type SocketConstructor,
  type Storage,
} from '../../client/index.ts';

export interface Surroundings {
  readonly url: string;
  readonly say: (report: object) => void;
  /** Outlives a kill. */
  readonly storage: Storage;
  /** Default: the global one. */
  readonly WebSocket?: SocketConstructor;
}

export interface Instruction {
  readonly command?: CommandName;
  readonly body?: object;
  readonly as?: string;
  readonly timeoutMs?: number;
  readonly location?: Position;
  readonly foreground?: boolean;
  readonly network?: string;
  /** Milliseconds by which the clock of the phone jumps. */
  readonly clock?: number;
  readonly exit?: boolean;
}

/** Connects, and answers with the ear for what the app does next. */
export const app = ({ url, say, storage, WebSocket }: Surroundings): ((instruction: Instruction) => void) => {
  let tokens = 0;
  const realNow = Date.now;
  const client = new HeyBlueClient({
    url,
    deviceId: 'phone-of-the-kit',
    app: 'conformance/1',
    getToken: () => `token-${++tokens}`,
    storage,
    ...(WebSocket !== undefined && { WebSocket }),
  });
  client.on('state', ({ state, code }) => say({ state, code }));
  client.on('problem', ({ code }) => say({ problem: code }));
  client.on('event', (message: Message) => {
    const { name, body } = message;
    if ('offset' in message) say({ event: name, offset: message.offset, eventId: message.eventId, body });
    else say({ volatile: name, key: message.key, version: message.version, body });
  });
  client.connect();
  return instruction => {
    const {
      command,
      body = {},
      as = '',
      timeoutMs = 20_000,
      location,
      foreground,
      network,
      clock,
    } = instruction;
    if (command !== undefined) {
      void client
        .command(command, body as never, { timeoutMs })
        .then(result =>
          say(
            result.ok
              ? { answer: as, ok: true, body: result.value }
              : { answer: as, ok: false, code: result.code, retryable: result.retryable },
          ),
        );
    } else if (location !== undefined) client.location(location);
    else if (foreground !== undefined) client.setForeground(foreground);
    else if (network !== undefined) client.networkChanged();
    else if (clock !== undefined) Date.now = () => realNow() + clock;
    else if (instruction.exit === true) client.close();
  };
};

/** The HeyBlue client for browsers and Node: realtime by `HeyBlueClient`, REST by `restClient`. */
export { HeyBlueClient } from './client.ts';
export * from './rest.ts';
export {
  type ClientOptions,
  type CommandOptions,
  type CommandOutcome,
  type Handlers,
  type Message,
  type Position,
  type SocketConstructor,
  type SocketLike,
  type State,
  type StateChange,
  type TokenReason,
  Unauthorized,
} from './types.ts';

/** What other folders and browsers import: nothing here touches Node. QR tokens and derived ids: `qr.ts`, `derivedId.ts`. */
export * from './body.ts';
export * from './catalogue.ts';
export {
  decodeClientFrame,
  decodeServerFrame,
  encodeBatch,
  encodeClientFrame,
  encodeServerFrame,
} from './codec.ts';
export * from './coordinates.ts';
export * from './errors.ts';
export * from './frames.ts';
export * from './ids.ts';
export * from './limits.ts';
export * from './messages.ts';
export * from './schema.ts';
export * from './shard.ts';
export { DECODE_WHYS, DecodeError, type DecodeWhy } from './walker.ts';

/** The HeyBlue client for browsers, phones and Node: realtime by `HeyBlueClient`, REST by `restClient`. */
export { type CodeBook, mintFrom, proveScan, type ShownCode } from '../../protocol/codeBook.ts';
export { CLOSE, ERROR, type ErrorCode, type Refusal, type Result } from '../../protocol/errors.ts';
export type { Resume } from '../../protocol/frames.ts';
export { readRedeemText, redeemText, typedCode } from '../../protocol/redeemCode.ts';
export { watchBrowser } from './browser.ts';
export { HeyBlueClient } from './client.ts';
export type { Beneficiary, Fee, GiftPart, Given, GivingRest, NewFee } from './giving.ts';
export type {
  EditedOffer,
  MarketRest,
  NewOffer,
  Offer,
  Redemption,
  Sale,
  Seller,
  Settlement,
  StockMovement,
} from './market.ts';
export * from './rest.ts';
export { browserStorage, keyedStorage, memoryStorage, type Storage } from './storage.ts';
export { Till } from './till.ts';
export { tokenSource } from './tokens.ts';
export {
  type ClientOptions,
  type CommandBody,
  type CommandName,
  type CommandOptions,
  type CommandOutcome,
  type CommandResult,
  type Delivery,
  type Handlers,
  type Message,
  type Outcome,
  type Position,
  type SocketConstructor,
  type SocketLike,
  type State,
  type StateChange,
  type TokenReason,
  Unauthorized,
} from './types.ts';

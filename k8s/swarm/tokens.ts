/** Access tokens for people who were made in bulk, signed with the key in the town's own data folder. */
import { createTokens } from '../../gateway/auth/tokens.ts';
import { loadKeys } from '../../infra/keys.ts';
import type { AccountKind } from '../../protocol/index.ts';

export interface TokenSubject {
  readonly userId: string;
  readonly kind: AccountKind;
  readonly handle: string;
  readonly deviceId: string;
}

/** Signs tokens that live `ttlS` seconds. The node of the town must have made its keys before. */
export const tokenMaker = (dataDir: string, ttlS: number): ((who: TokenSubject) => Promise<string>) =>
  createTokens(loadKeys(dataDir).signingKeys, ttlS).mint;

/** What each kind of account may say. A token carries the scopes; a session holds them as bits. */
import type { AccountKind, Scope as CommandScope } from '../../protocol/catalogue.ts';

/** `operate`: to look at people and act for them on the admin port; no command of the socket asks for it. */
export type Scope = CommandScope | 'operate';

const BIT: Record<Scope, number> = {
  session: 1,
  meet: 2,
  officer: 4,
  civilian: 8,
  operate: 16,
  spend: 32,
};

const OF_KIND: Record<AccountKind, readonly Scope[]> = {
  civilian: ['session', 'meet', 'civilian', 'spend'],
  officer: ['session', 'meet', 'officer', 'spend'],
  merchant: ['session'],
  charity: ['session', 'spend'],
  family: ['session', 'spend'],
  municipality: ['session'],
  operator: ['session', 'operate'],
};

export const scopesOf = (kind: AccountKind): readonly Scope[] => OF_KIND[kind];

/** Names that we do not know grant nothing. */
export const scopeBits = (scopes: readonly string[]): number =>
  scopes.reduce((bits, scope) => bits | (BIT[scope as Scope] ?? 0), 0);

export const permits = (bits: number, scope: Scope): boolean => (bits & BIT[scope]) !== 0;

/** What each kind of account may say. A token carries the scopes; a session holds them as bits. */
import type { AccountKind, Scope } from '../../protocol/catalogue.ts';

const BIT: Record<Scope, number> = { session: 1, meet: 2, officer: 4, civilian: 8 };

const OF_KIND: Record<AccountKind, readonly Scope[]> = {
  civilian: ['session', 'meet', 'civilian'],
  officer: ['session', 'meet', 'officer'],
  merchant: ['session'],
  charity: ['session'],
  family: ['session'],
  municipality: ['session'],
  operator: ['session'],
};

export const scopesOf = (kind: AccountKind): readonly Scope[] => OF_KIND[kind];

/** Names that we do not know grant nothing. */
export const scopeBits = (scopes: readonly string[]): number =>
  scopes.reduce((bits, scope) => bits | (BIT[scope as Scope] ?? 0), 0);

export const permits = (bits: number, scope: Scope): boolean => (bits & BIT[scope]) !== 0;

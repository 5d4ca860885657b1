/** Two phones of a small town and a code between them: what they do, and what has become of it. */
import { expect } from 'vitest';
import type { SmallTown, TownPhone } from './smallTown.ts';

/** The token of the code that the phone shows. */
export const shows = async (phone: TownPhone): Promise<string> => {
  const shown = await phone.command('qr.show', {});
  return shown.ok ? shown.value.token : '';
};

/** Scans it: 0, or the code of the refusal. */
export const codeOf = async (phone: TownPhone, token: string): Promise<number> => {
  const scanned = await phone.command('qr.scan', { token });
  return scanned.ok ? 0 : scanned.code;
};

/** All of these phones have heard of one meeting, and have its points. */
export const expectMetOnce = (town: SmallTown, phones: readonly TownPhone[]): void => {
  for (const phone of phones) {
    expect(town.balance(phone.id)).toBe(20);
    expect(phone.events('encounter.completed')).toMatchObject([{ method: 'qr', points: 20 }]);
  }
  expect(town.ledger.transfers.size).toBe(1);
};

export const expectNothing = (town: SmallTown, phones: readonly TownPhone[]): void => {
  expect(town.ledger.transfers.size).toBe(0);
  expect(phones.flatMap(phone => phone.events('encounter.completed'))).toEqual([]);
};

/**
 * What a phone carries through a time without network: its book of codes, to show and to sign with, and the scans that it
 * has not uploaded yet. The real code of both sides makes and checks everything (`protocol/codeBook.ts`).
 */
import { encounterIdOf } from '../../actors/pair/state.ts';
import type { QrKeys } from '../../actors/user/qr.ts';
import { type CodeBook, mintFrom, proveScan } from '../../protocol/codeBook.ts';
import { codeBookOf, verifyToken } from '../../protocol/qr.ts';
import type { Dice } from './dice.ts';
import type { Person } from './phone.ts';

/** A code of somebody else, read and signed by this phone at a second of its own clock. */
export interface Scan {
  readonly token: string;
  readonly scannedAtS: number;
  readonly proof: string;
  /** What it comes to, if it counts. */
  readonly encounterId: string;
  readonly scanner: Person;
  readonly presenter: Person;
}

export class Pocket {
  readonly #person: Person;
  readonly #book: CodeBook;
  readonly #keys: QrKeys;
  readonly #dice: Dice;

  constructor(person: Person, keys: QrKeys, nowMs: number, dice: Dice) {
    this.#person = person;
    this.#keys = keys;
    this.#dice = dice;
    const kid = keys.newest;
    const master = keys.masters.get(kid)!;
    const { kind, number: userNumber } = person;
    this.#book = codeBookOf({ kind, kid, userNumber, deviceNumber: 1, nowMs, master });
  }

  /** A code of the phone's own making. */
  show(nowMs: number): string {
    const shown = mintFrom(this.#book, { nowMs, nonce: this.#dice.uint32() });
    if (!shown.ok) throw new Error(shown.message);
    return shown.value.token;
  }

  scan(token: string, presenter: Person, nowMs: number): Scan {
    const scannedAtS = Math.floor(nowMs / 1_000);
    const proof = proveScan(this.#book, token, scannedAtS);
    const scanner = this.#person;
    const verified = verifyToken(token, { nowMs, masters: this.#keys.masters, kinds: [presenter.kind] });
    if (!verified.ok) throw new Error(verified.message);
    const { tokenId } = verified.value;
    const once = presenter.kind === 'civilian';
    const [officer, civilian] = once ? [scanner, presenter] : [presenter, scanner];
    const evidence = {
      method: 'qr',
      id: once ? tokenId : `${tokenId}|${scanner.id}`,
      cell: '',
      once,
    } as const;
    const encounterId = encounterIdOf(evidence, officer.id, civilian.id, '');
    return { token, scannedAtS, proof, encounterId, scanner, presenter };
  }
}

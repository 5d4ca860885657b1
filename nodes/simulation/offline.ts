/**
 * Meetings by code where there is no network: the phone that shows, the phone that scans, or both are away. What was
 * scanned is uploaded later, in any order, by one side or both, once or twice; a code is also shown to two people. Some
 * presenters stay away until their time is over.
 */
import type { QrKeys } from '../../actors/user/qr.ts';
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { Op } from './history.ts';
import type { Phone } from './phone.ts';
import { Pocket, type Scan } from './pocket.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface OfflineParts {
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly faults: FaultCounts;
  readonly phones: readonly Phone[];
  readonly keys: QrKeys;
  /** A scan without network is taken so long. */
  readonly uploadMs: number;
  made(scan: Scan): void;
  uploaded(scan: Scan, op: Op): void;
}

const AWAY_MS = { min: 400, max: 5_000 };
/** Beyond the time that a waiting scan is given. */
const LONG_AWAY_MS = { min: 12_000, max: 20_000 };

export class Offline {
  readonly #parts: OfflineParts;
  readonly #pockets: ReadonlyMap<Phone, Pocket>;
  /** What each phone has to upload, and when it thinks of it. */
  readonly #uploads = new Map<Op, Scan>();
  #on = true;

  constructor(parts: OfflineParts) {
    this.#parts = parts;
    const { time, keys, dice, phones } = parts;
    this.#pockets = new Map(phones.map(phone => [phone, new Pocket(phone.person, keys, time.nowMs(), dice)]));
  }

  /** Everybody has network again, and nothing new is scanned. */
  stop(): void {
    this.#on = false;
    for (const phone of this.#parts.phones) phone.comeBack();
  }

  ended(op: Op): void {
    const scan = this.#uploads.get(op);
    if (scan) this.#parts.uploaded(scan, op);
  }

  /** Two of different kinds stand face to face. */
  meet(one: Phone, other: Phone): void {
    if (one.away || other.away) return;
    const { dice, faults } = this.#parts;
    const what = dice.share();
    if (what < 0.25) {
      faults.hit('presenter offline');
      this.#away(other);
      one.command('qr.scan', { token: this.#show(other) });
    } else if (what < 0.55) {
      faults.hit('scanner offline');
      this.#away(one);
      if (dice.chance(0.15)) this.#away(other, LONG_AWAY_MS);
      this.#scans(one, other);
      if (dice.chance(0.2)) this.#scans(one, other);
    } else {
      faults.hit('both offline');
      this.#away(one);
      this.#away(other, dice.chance(0.2) ? LONG_AWAY_MS : AWAY_MS);
      this.#scans(one, other);
      if (dice.chance(0.75)) this.#scans(other, one);
    }
  }

  /** One code, two who scan it. */
  crowd(one: Phone, two: Phone, presenter: Phone): void {
    if (one.away || two.away || presenter.away) return;
    this.#parts.faults.hit('code scanned by two');
    const token = this.#show(presenter);
    for (const scanner of [one, two]) {
      this.#away(scanner);
      this.#scans(scanner, presenter, token);
    }
  }

  #show(phone: Phone): string {
    return this.#pockets.get(phone)!.show(this.#parts.time.nowMs());
  }

  #scans(scanner: Phone, presenter: Phone, token = this.#show(presenter)): void {
    const { time, dice, faults, uploadMs, made } = this.#parts;
    const scan = this.#pockets.get(scanner)!.scan(token, presenter.person, time.nowMs());
    made(scan);
    // mostly in time
    const upload = (afterMs: number): void => {
      time.after(afterMs, () => {
        if (this.#on) this.#upload(scanner, scan);
      });
    };
    const afterMs = dice.between(0, uploadMs * 1.05);
    upload(afterMs);
    if (!dice.chance(0.3)) return;
    faults.hit('scan uploaded twice');
    upload(dice.chance(0.5) ? afterMs + dice.between(0, 100) : dice.between(0, uploadMs));
  }

  #upload(scanner: Phone, scan: Scan): void {
    const { token, scannedAtS, proof } = scan;
    this.#uploads.set(scanner.command('qr.upload', { token, scannedAtS, proof }), scan);
  }

  #away(phone: Phone, howLong = AWAY_MS): void {
    const { time, dice } = this.#parts;
    phone.leave();
    time.after(dice.between(howLong.min, howLong.max), () => phone.comeBack());
  }
}

/**
 * The keys of a node while it runs: the file is looked at every few seconds, and what is in it holds from then on. A file
 * that cannot be read, or is half of one, changes nothing and is told once.
 */
import { readFileSync } from 'node:fs';
import type { Log, Scheduler } from '../nodes/ports.ts';
import { inSigningOrder, type Keys, keyFileOf, parseKeys, type SigningKey } from './keys.ts';

/** A new key is known to every node after this, and begins later (`npm run keys`). */
const KEYS_LOOK_MS = 2_000;

export interface LiveKeysOptions {
  readonly dataDir: string;
  readonly keys: Keys;
  /** Unix milliseconds of the real clock. */
  readonly wallMs: () => number;
  readonly scheduler: Pick<Scheduler, 'after'>;
  readonly log: Log;
}

export class LiveKeys implements Pick<Keys, 'signingKeys' | 'qrMasters' | 'qrFromMs' | 'hubKeys'> {
  readonly #options: LiveKeysOptions;
  #keys: Omit<Keys, 'putAside'>;
  #text = '';
  #signing: readonly SigningKey[];
  #refused = '';
  #cancel: () => void = () => {};

  constructor(options: LiveKeysOptions) {
    this.#options = options;
    this.#keys = options.keys;
    this.#signing = inSigningOrder(options.keys, options.wallMs());
  }

  /** The same list until it changes. */
  get signingKeys(): readonly SigningKey[] {
    return this.#signing;
  }
  get qrMasters(): Keys['qrMasters'] {
    return this.#keys.qrMasters;
  }
  get qrFromMs(): Keys['qrFromMs'] {
    return this.#keys.qrFromMs;
  }
  get hubKeys(): Keys['hubKeys'] {
    return this.#keys.hubKeys;
  }

  start(): void {
    this.#cancel = this.#options.scheduler.after(KEYS_LOOK_MS, () => {
      this.look();
      this.start();
    });
  }

  stop(): void {
    this.#cancel();
  }

  /** Reads the file once. */
  look(): void {
    const { dataDir, log, wallMs } = this.#options;
    try {
      const text = readFileSync(keyFileOf(dataDir), 'utf8');
      if (text !== this.#text) {
        this.#keys = parseKeys(text);
        const isFirst = this.#text === '';
        this.#text = text;
        if (!isFirst) log.info({ keys: this.#keys.signingKeys.length }, 'the key file was read again');
      }
      this.#refused = '';
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? 'not a key file';
      if (why !== this.#refused) log.error({ why }, 'the keys in use stay: the key file cannot be used');
      this.#refused = why;
    }
    const next = inSigningOrder(this.#keys, wallMs());
    const isSame = next.length === this.#signing.length && next.every((key, i) => key === this.#signing[i]);
    if (!isSame) this.#signing = next;
  }
}

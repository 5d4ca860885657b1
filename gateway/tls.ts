/**
 * The certificate of the doors, from two files that somebody else renews. A program that renews writes one file after the
 * other, so the two may not belong together for a moment, or for ever: what cannot be used is told once, in a sentence,
 * and the certificate in use stays.
 */
import { hash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Log } from '../nodes/ports.ts';
import { LIMITS } from './limits.ts';

/** Paths of PEM files: the certificate with its chain, and its key. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate and the key that belongs to it, PEM. */
export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Oldest protocol that the doors speak. */
export const TLS_VERSION_MIN = 'TLSv1.3';

/** The files cannot be used: one sentence for the person at the terminal. */
export class TlsUnusable extends Error {
  override name = 'TlsUnusable';
}

const read = (path: string, setting: string): Buffer => {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new TlsUnusable(`${setting} cannot be read: ${path} (${why}).`);
  }
};

/** Throws {@link TlsUnusable} when the two cannot be used together now. */
const check = ({ cert, key }: TlsPair, files: TlsFiles, nowMs: number): void => {
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(cert);
  } catch {
    throw new TlsUnusable(`TLS_CERT holds no certificate (PEM): ${files.cert}.`);
  }
  try {
    createSecureContext({ cert, key, minVersion: TLS_VERSION_MIN });
  } catch (error) {
    const mismatch = /mismatch/i.test((error as Error).message);
    throw new TlsUnusable(
      mismatch
        ? `TLS_KEY does not belong to the certificate in TLS_CERT: ${files.key}, ${files.cert}.`
        : `TLS_KEY holds no key that can be used without a password (PEM): ${files.key}.`,
    );
  }
  if (parsed.validToDate.getTime() <= nowMs) {
    throw new TlsUnusable(`The certificate in TLS_CERT is over since ${parsed.validTo}: ${files.cert}.`);
  }
};

/** What the files hold now. Throws {@link TlsUnusable} when it cannot be used. */
export const readPair = (files: TlsFiles, nowMs: number): TlsPair => {
  const pair = { cert: read(files.cert, 'TLS_CERT'), key: read(files.key, 'TLS_KEY') };
  check(pair, files, nowMs);
  return pair;
};

/** Looks whether the files changed; whoever uses them is told when there is something better than before. */
export class TlsWatch {
  readonly #files: TlsFiles;
  readonly #log: Log;
  readonly #wallMs: () => number;
  readonly #renewed: (pair: TlsPair) => void;
  #using: string;
  /** What was refused, so that it is told once. */
  #refused = '';
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param pair what is in use
   * @param renewed told the new pair; throws when it could not be taken, then it is offered again
   */
  constructor(
    files: TlsFiles,
    pair: TlsPair,
    renewed: (pair: TlsPair) => void,
    options: { readonly log: Log; readonly wallMs: () => number },
  ) {
    this.#files = files;
    this.#using = fingerprint(pair);
    this.#renewed = renewed;
    this.#log = options.log;
    this.#wallMs = options.wallMs;
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LIMITS.tlsLookMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Reads the files once. */
  look(): void {
    let print = '';
    try {
      const pair = { cert: read(this.#files.cert, 'TLS_CERT'), key: read(this.#files.key, 'TLS_KEY') };
      print = fingerprint(pair);
      if (print === this.#using) {
        this.#refused = '';
        return;
      }
      check(pair, this.#files, this.#wallMs());
      this.#renewed(pair);
      this.#using = print;
      this.#refused = '';
      this.#log.info({ until: new X509Certificate(pair.cert).validTo }, 'the certificate was renewed');
    } catch (error) {
      const why = error instanceof TlsUnusable ? error.message : 'The new certificate could not be taken.';
      const seen = `${print} ${why}`;
      if (seen === this.#refused) return;
      this.#refused = seen;
      this.#log.error({ why }, 'the certificate in use stays: the new files cannot be used');
    }
  }
}

const fingerprint = ({ cert, key }: TlsPair): string =>
  `${hash('sha256', cert, 'hex')} ${hash('sha256', key, 'hex')}`;

/**
 * From turns to the location service and on to the operators' list: a second opinion on the position of each side of an
 * encounter that is held. A turn says where the person is and goes on; the word of the service is written beside the hold.
 *
 * Nobody waits for it and nothing depends on it. Whatever fails (the service, its quota, the store, too many at once)
 * leaves the hold as it is, without an opinion, and is counted. The address of the phone's network, which the service
 * compares the position with, stays with its gateway until it is wanted here, and is kept nowhere.
 */
import { VERIFYING_MAX } from './limits.ts';
import { type LocationPort, opinionOf, type PositionSample } from './locationPort.ts';
import type { Directory, Log, Metrics } from './ports.ts';

/** What turns speak to: returns at once and never throws. */
export interface Verifier {
  verify(encounterId: string, position: PositionSample): void;
}

export interface VerifyingParts {
  readonly location: Pick<LocationPort, 'verify'>;
  readonly directory: Pick<Directory, 'noteOpinion'>;
  /** Address of the network of a person's phone, dotted IPv4; null when it has none, or none is known. */
  readonly ipv4Of: (userId: string) => Promise<string | null>;
  readonly log: Log;
  readonly metrics: Metrics;
}

export class Verifying implements Verifier {
  readonly #parts: VerifyingParts;
  #underWay = 0;

  constructor(parts: VerifyingParts) {
    this.#parts = parts;
  }

  get underWay(): number {
    return this.#underWay;
  }

  verify(encounterId: string, position: PositionSample): void {
    if (this.#underWay >= VERIFYING_MAX) return this.#count('full');
    this.#underWay++;
    this.#ask(encounterId, position)
      .then(
        opinion => this.#count(opinion),
        error => {
          // the name alone: what a failure says may repeat what it was asked
          this.#parts.log.warn({ reason: (error as Error).name }, 'a held encounter got no opinion');
          this.#count('failed');
        },
      )
      .finally(() => {
        this.#underWay--;
      });
  }

  async #ask(encounterId: string, position: PositionSample) {
    const { location, directory, ipv4Of } = this.#parts;
    const { userId } = position;
    const ipv4 = await ipv4Of(userId);
    const opinion = opinionOf(await location.verify({ ...position, ipv4 }));
    await directory.noteOpinion(encounterId, userId, opinion);
    return opinion;
  }

  #count(result: string): void {
    this.#parts.metrics.count('heyblue_verifications_total', { result });
  }
}

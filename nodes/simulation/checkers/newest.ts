/**
 * The newest position counts: a region that judges knows of everybody at least the newest position that it was told of.
 *
 * That a couple meets in the last scene does not show it. A person's actor numbers his positions from one, again in each of
 * its lives; a region that went by those numbers would pass over the next life until it has counted beyond the one before.
 * In that scene everybody shares anew two seconds before a node dies, so the next life is ahead after two reports, well
 * within the time that a couple has.
 */
import type { FixMessage, RegionMessage } from '../../../actors/messages/region.ts';
import type { RegionState } from '../../../actors/region.ts';
import { judges } from '../../../actors/regionDivision.ts';
import type { AnyBehaviour } from '../../effects.ts';
import type { Judge } from './judge.ts';

export class Newest {
  readonly #judge: Judge;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** The regions of one process, watched. */
  watch(process: string, behaviour: AnyBehaviour): AnyBehaviour {
    return {
      ...behaviour,
      receive: (state, message, turn) => {
        // a batch is emptied when it was taken
        const told = positionsIn(message as RegionMessage);
        const next = behaviour.receive(state, message, turn) as RegionState;
        if (told.length === 0 || !judges(next)) return next;
        const { members } = next.matcher;
        for (const { userId, takenAtMs } of told) {
          const index = members.indexOf(userId);
          if (index >= 0 && members.takenAtMs(index) >= takenAtMs) continue;
          const words = index < 0 ? 'knows nothing of' : 'knows an older position of';
          this.#judge.fail('the newest position counts', `${turn.self.id} on ${process} ${words} ${userId}`);
        }
        return next;
      },
    };
  }
}

const NONE: readonly FixMessage[] = [];

function positionsIn(message: RegionMessage): readonly FixMessage[] {
  switch (message.type) {
    case 'fix':
      return [message];
    case 'adopt':
      return [message.fix];
    case 'fixes':
      return Array.from({ length: message.fixes.count }, (_, i) => message.fixes.at(i));
    default:
      return NONE;
  }
}

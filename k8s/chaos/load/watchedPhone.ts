/** A phone or till of the load: `Roaming` stays served and says things until they are certain, this writes down what it saw. */
import type { AccountKind, OpenedDurable } from '../../../protocol/index.ts';
import type { Point } from '../../swarm/crowd.ts';
import type { PhoneIdentity } from '../../swarm/phone.ts';
import type { Random } from '../../swarm/random.ts';
import { Roaming } from '../../swarm/roaming.ts';
import type { EventRecord, LastView, Recorder } from '../history.ts';
import type { ChaosNode } from '../target.ts';

export interface WatchedPhonePlan {
  readonly nodes: readonly ChaosNode[];
  readonly person: PhoneIdentity;
  readonly kind: AccountKind;
  readonly random: Random;
  readonly recorder: Recorder;
  readonly nowMs: () => number;
  /** Where the person stands; without it no positions are sent. */
  readonly point?: Point;
}

type Told = Pick<EventRecord, 'about' | 'points' | 'balance' | 'version' | 'state'>;
const NOTHING: Told = { about: [], points: null, balance: null, version: null, state: null };

/** What the checkers want to know of an event. */
const toldBy = (event: OpenedDurable): Told => {
  switch (event.name) {
    case 'encounter.completed': {
      const { encounterId, points, balance, balanceVersion } = event.body;
      return { ...NOTHING, about: [encounterId], points, balance, version: balanceVersion };
    }
    case 'points.changed': {
      const { transferId, delta, balance, balanceVersion } = event.body;
      return { ...NOTHING, about: [transferId], points: delta, balance, version: balanceVersion };
    }
    case 'redemption.changed': {
      const { redemptionId, points, balance, balanceVersion, state } = event.body;
      return { about: [redemptionId], points, balance, version: balanceVersion, state };
    }
    case 'till.redemption':
      return {
        ...NOTHING,
        about: [event.body.redemptionId],
        points: event.body.points,
        state: event.body.state,
      };
    case 'snapshot': {
      const { encounters, balance, balanceVersion } = event.body;
      return { ...NOTHING, about: encounters.map(one => one.encounterId), balance, version: balanceVersion };
    }
    case 'encounter.held':
    case 'encounter.rejected':
      return { ...NOTHING, about: [event.body.encounterId] };
    default:
      return NOTHING;
  }
};

export class WatchedPhone {
  readonly person: PhoneIdentity;
  readonly kind: AccountKind;
  readonly roaming: Roaming;
  /** By the newest of what came. */
  view: LastView | null = null;
  /** Lists of officers by area, as shown now. */
  readonly shown = new Map<string, readonly string[]>();
  onWelcome: () => void = () => {};
  readonly #plan: WatchedPhonePlan;
  #epoch = '';
  #isWelcome = false;

  constructor(plan: WatchedPhonePlan) {
    const { nodes, person, kind, random, recorder, nowMs, point } = plan;
    this.#plan = plan;
    this.person = person;
    this.kind = kind;
    const who = person.userId;
    this.roaming = new Roaming({
      urls: nodes.map(node => node.urls.realtime),
      person,
      random,
      ...(point && { point }),
      watch: {
        welcome: ({ resumed, epoch, offset }, node) => {
          this.#epoch = epoch;
          this.#isWelcome = true;
          recorder.add({
            type: 'welcome',
            t_ms: nowMs(),
            who,
            node: nodes[node]!.id,
            resumed,
            epoch,
            offset,
          });
          this.onWelcome();
        },
        event: (event, frame) => this.#event(event, frame.offset, frame.eventId),
        volatile: frame => {
          if (frame.name !== 'area.officers') return;
          // a list that is gone says not whose: there is one
          const { cell, officers: listed } = frame.body ?? {
            cell: this.shown.keys().next().value,
            officers: [],
          };
          if (cell === undefined) return;
          const officers = listed.map(one => one.officerId).sort();
          this.shown.set(cell, officers);
          recorder.add({ type: 'area', t_ms: nowMs(), who, cell, officers });
        },
        goaway: () => recorder.add({ type: 'goaway', t_ms: nowMs(), who }),
        closed: (code, reason) => {
          if (this.#isWelcome) recorder.add({ type: 'lost', t_ms: nowMs(), who, code, reason });
          this.#isWelcome = false;
        },
      },
    });
    // what comes again is written down, and the checkers know when it may
    this.roaming.toleratesRepeats = true;
  }

  /** The node that it is connected to, or tries. */
  get node(): string {
    return this.#plan.nodes[this.roaming.nodeIndex]!.id;
  }

  #event(event: OpenedDurable, offset: number, eventId: string): void {
    const { recorder, nowMs } = this.#plan;
    const told = toldBy(event);
    const { balance, version } = told;
    if (balance !== null && version !== null && version >= (this.view?.version ?? -1))
      this.view = { balance, version };
    recorder.add({
      type: 'event',
      t_ms: nowMs(),
      who: this.person.userId,
      name: event.name,
      epoch: this.#epoch,
      offset,
      event_id: eventId,
      ...told,
    });
  }
}

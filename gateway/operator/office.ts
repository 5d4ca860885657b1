/** The operators' side of one gateway, put together: its desk on the admin port, and its ear on the bus. */
import { randomUUID } from 'node:crypto';
import type { AuditLog } from '../../nodes/ports.ts';
import { shardOf } from '../../protocol/shard.ts';
import type { Passwords } from '../auth/passwords.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { GatewayOptions } from '../options.ts';
import type { Revocations } from '../revocations.ts';
import type { Sessions } from '../sessions.ts';
import { CorrectionDesk } from './correctionDesk.ts';
import { Desk } from './desk.ts';
import type { Answer, Request } from './entrance.ts';
import { GivingDesk } from './givingDesk.ts';
import { Inquiry, operatorSubject } from './inquiry.ts';
import { OPERATOR } from './limits.ts';
import { Local } from './local.ts';
import { MachineDesk } from './machineDesk.ts';
import { OffersDesk } from './offersDesk.ts';
import { PersonsDesk } from './personsDesk.ts';
import { PlacesDesk } from './placesDesk.ts';
import { RulesDesk } from './rulesDesk.ts';
import { StreamsDesk } from './streamsDesk.ts';

export interface OfficeParts {
  readonly options: GatewayOptions;
  readonly sessions: Sessions;
  readonly tokens: Tokens;
  readonly revocations: Revocations;
  readonly passwords: Passwords;
}

export class Office {
  readonly #parts: OfficeParts;
  readonly #inquiry: Inquiry;
  /** Who is asked, in order, whether a route is his. Nobody without an audit log: then nobody is looked at. */
  readonly #desks: readonly Pick<Desk, 'handle'>[];
  /** Traces that were begun here, and when they are over, monotonic milliseconds. */
  readonly #traces = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(parts: OfficeParts) {
    const { options, sessions } = parts;
    const { clock, log, metrics, gatewayId, auditLog, cluster } = options;
    this.#parts = parts;
    this.#inquiry = new Inquiry({
      bus: options.bus ?? null,
      subject: operatorSubject(options.clusterName ?? 'heyblue'),
      gatewayId,
      others: () => {
        const view = cluster?.();
        // one that has left has no sockets; one that was fenced may have some for a moment
        return view?.nodes.filter(one => one.node !== view.node && one.state !== 'left').length ?? 0;
      },
      local: new Local({
        clock,
        socketsOf: userId => sessions.ofUser(userId),
        roundTrips: sessions.roundTrips,
        closes: sessions.closes,
        sockets: () => sessions.all(),
        here: () => {
          const view = cluster?.();
          const own = view?.nodes.find(one => one.node === view.node);
          return { node: own?.node ?? '', version: own?.version ?? '' };
        },
        watches: sessions.watches,
        spending: sessions.spending,
      }),
      log,
      metrics,
    });
    this.#desks = auditLog ? this.#open(auditLog) : [];
  }

  #open(auditLog: AuditLog): Pick<Desk, 'handle'>[] {
    const { options, tokens, revocations, passwords } = this.#parts;
    const {
      door,
      directory,
      log,
      metrics,
      cluster,
      drain,
      market,
      persons,
      places,
      giving: store,
      domain: streams,
      rules,
    } = options;
    const entrance = { tokens, revocations, auditLog, log, metrics };
    const desk = new Desk({
      ...entrance,
      door,
      directory,
      passwords,
      inquiry: this.#inquiry,
      nodeOf: userId => cluster?.().owners[shardOf('user', userId)] ?? null,
      traced: (userId, leftMs) => this.#traced(userId, leftMs),
      newDeviceId: () => `none-${randomUUID()}`,
    });
    return [
      desk,
      ...(drain ? [new MachineDesk({ ...entrance, drain, cluster })] : []),
      ...(persons ? [new PersonsDesk({ ...entrance, persons })] : []),
      new CorrectionDesk({ ...entrance, door }),
      ...(market ? [new OffersDesk({ ...entrance, door, market })] : []),
      ...(places ? [new PlacesDesk({ ...entrance, ...places })] : []),
      ...(store ? [new GivingDesk({ ...entrance, store })] : []),
      ...(rules ? [new RulesDesk({ ...entrance, ...rules, directory })] : []),
      ...(streams
        ? [new StreamsDesk({ ...entrance, domain: streams.users, deadLetters: streams.deadLetters })]
        : []),
    ];
  }

  start(): void {
    this.#inquiry.start();
    this.#timer = setInterval(() => this.#again(), OPERATOR.traceAgainMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#inquiry.stop();
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Null when this is no route of operators. */
  async handle(request: Request): Promise<Answer | null> {
    for (const desk of this.#desks) {
      const answer = await desk.handle(request);
      if (answer !== null) return answer;
    }
    return null;
  }

  /** Address of the network that a person's phone calls from, dotted IPv4; null when nobody knows one. */
  async ipv4Of(userId: string): Promise<string | null> {
    const { answers } = await this.#inquiry.ask({ ask: 'where', userId }, OPERATOR.answerMs);
    return answers.find(({ answer }) => answer.ipv4 !== null)?.answer.ipv4 ?? null;
  }

  #traced(userId: string, leftMs: number): void {
    const { clock } = this.#parts.options;
    this.#traces.delete(userId);
    if (leftMs > 0) this.#traces.set(userId, clock.monotonicMs() + leftMs);
  }

  /** A gateway that started after the trace did has not heard of it. */
  #again(): void {
    const nowMs = this.#parts.options.clock.monotonicMs();
    for (const [userId, untilMs] of this.#traces) {
      const leftMs = Math.floor(untilMs - nowMs);
      if (leftMs < 1 || this.#parts.sessions.watches.of(userId) === null) this.#traces.delete(userId);
      else this.#inquiry.tell({ ask: 'watch', userId, leftMs });
    }
  }
}

/**
 * Where operators ask and act: the routes of the admin port that concern one person.
 *
 * The rule: nobody looks at a person, or does something to them, without being known and without leaving a line. So each
 * request shows an access token of an operator's account, and what it wants is written to the audit log before it takes
 * effect; when it cannot be written it does not happen (503). Operators' accounts are made here without a token: whoever
 * reaches this port runs the machine, and that leaves a line, too.
 */
import { type Static, type TSchema, Type } from 'typebox';
import {
  type ActorDoor,
  pairId,
  type Review,
  type Reviewed,
  reasonsOf,
  type UserInspection,
  type UserMessage,
} from '../../nodes/gatewayPort.ts';
import type { AuditLog, AuditState, Directory, Log, Metrics } from '../../nodes/ports.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import { askActor } from '../askActor.ts';
import type { Verifier } from '../auth/identify.ts';
import type { Passwords } from '../auth/passwords.ts';
import type { RateClass } from '../meters.ts';
import { SignIn } from '../rest/schemas.ts';
import { NOT_STORED, type Revocations } from '../revocations.ts';
import type { OperatorAction } from './actions.ts';
import {
  type Answer,
  answered,
  attend,
  attendMachine,
  bodyOf,
  type Change,
  changedTo,
  type Line,
  type Request,
  said,
} from './entrance.ts';
import type { Gathered, Inquiry } from './inquiry.ts';
import { OPERATOR } from './limits.ts';
import { personView } from './person.ts';
import { isRateClass, NewRate } from './rateWords.ts';
import type { TraceEntry } from './watch.ts';

export interface DeskOptions extends Verifier {
  readonly door: ActorDoor;
  readonly directory: Pick<Directory, 'createUser' | 'holds' | 'hold'>;
  readonly passwords: Passwords;
  readonly revocations: Pick<Revocations, 'covers' | 'user' | 'token'>;
  readonly inquiry: Pick<Inquiry, 'ask'>;
  readonly auditLog: AuditLog;
  /** Name of the node that owns the user's actor; null when nobody does. */
  readonly nodeOf: (userId: string) => string | null;
  /** A trace of this user was begun or ended here. */
  readonly traced: (userId: string, leftMs: number) => void;
  readonly newDeviceId: () => string;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** What a route does once the operator is known. */
interface Call {
  readonly id: string;
  readonly body: unknown;
}

interface Route {
  readonly body?: TSchema;
  /** What stands in the audit log, before it takes effect. */
  readonly audit: (call: Call) => Line;
  /** Of a route that changes something. */
  readonly change?: (call: Call) => Change;
  readonly run: (call: Call) => Promise<Result<Answer>>;
}

const closed = { additionalProperties: false };
const NewOperator = Type.Object(
  { handle: SignIn.properties.handle, password: SignIn.properties.password },
  closed,
);
const Disconnect = Type.Object(
  {
    code: Type.Integer({ minimum: 1_000, maximum: 4_999 }),
    deviceId: Type.Optional(SignIn.properties.deviceId),
  },
  closed,
);
const Trace = Type.Object(
  { minutes: Type.Integer({ minimum: 1, maximum: OPERATOR.traceMinutesMax }) },
  closed,
);

const PATH = /^\/admin\/(users|tokens|holds)\/([^/]+)(\/[a-z]+)?$/;
const OPERATORS = 'POST /admin/operators';
const HOLDS = 'GET /admin/holds';
const SOCKETS = 'GET /admin/sockets';
const RATES = 'GET /admin/rates';
const RATE = /^\/admin\/rates\/([a-z]+)$/;

const noSuchOne = refuse(ERROR.notFound, 'no such user, token or encounter');
const noSuchClass = refuse(ERROR.notFound, 'no such class: location, command, auth, qr, other');
const tooMany = refuse(ERROR.conflict, `${OPERATOR.tracedUsers} people are followed already: end one`);

/** The list that the admin port shows. */
export const OPERATOR_ROUTES = [
  'GET    /admin/sockets                    every gateway: sockets, apps, how far behind, how others ended',
  'GET    /admin/rates                      what a socket may say, by class, as every gateway has it',
  'PUT    /admin/rates/{class}              {perS, burst}: changes it on every gateway, until they start again',
  'POST   /admin/operators                  {handle, password}: makes an operator, who signs in at POST /v1/signin',
  'GET    /admin/users/{id}                 devices, sockets, place in the stream, presence',
  'POST   /admin/users/{id}/disconnect      {code, deviceId?}',
  'POST   /admin/users/{id}/revoke          ends every token of the user',
  'POST   /admin/tokens/{jti}/revoke        ends one token',
  'POST   /admin/users/{id}/trace           {minutes}: follows the frames of the user, never what is in them',
  'GET    /admin/users/{id}/trace           what was seen',
  'DELETE /admin/users/{id}/trace           ends and forgets it',
  'GET    /admin/users/{id}/audit           what operators did with this user',
  'GET    /admin/holds                      encounters that wait for an operator: why, by which rules, whether positions fit',
  'POST   /admin/holds/{id}/release         pays the encounter',
  'POST   /admin/holds/{id}/reject          leaves it without points',
] as const;

export class Desk {
  readonly #options: DeskOptions;
  readonly #routes: Readonly<Record<string, Route>>;

  constructor(options: DeskOptions) {
    this.#options = options;
    const of =
      (action: OperatorAction): Route['audit'] =>
      ({ id }) => ({ action, userId: id, detail: {} });
    this.#routes = {
      'GET users': { audit: of('user.look'), run: call => this.#look(call) },
      'POST users/disconnect': {
        body: Disconnect,
        audit: ({ id, body }) => ({
          action: 'user.disconnect',
          userId: id,
          detail: { ...(body as Static<typeof Disconnect>) },
        }),
        change: () => changedTo({ connected: false }),
        run: call => this.#disconnect(call),
      },
      'POST users/revoke': {
        audit: of('user.revoke'),
        change: () => changedTo({ revoked: true }),
        run: ({ id }) => this.#revoke({ userId: id }),
      },
      'POST tokens/revoke': {
        audit: ({ id }) => ({ action: 'token.revoke', userId: null, detail: { tokenId: id } }),
        change: () => changedTo({ revoked: true }),
        run: ({ id }) => this.#revoke({ tokenId: id }),
      },
      'POST users/trace': {
        body: Trace,
        audit: ({ id, body }) => ({
          action: 'trace.start',
          userId: id,
          detail: { ...(body as Static<typeof Trace>) },
        }),
        change: () => changedTo({ followed: true }),
        run: call => this.#follow(call),
      },
      'GET users/trace': { audit: of('trace.read'), run: call => this.#read(call) },
      'DELETE users/trace': {
        audit: of('trace.end'),
        change: () => changedTo({ followed: false }),
        run: call => this.#unfollow(call),
      },
      'POST holds/release': {
        audit: ({ id }) => ({ action: 'hold.release', userId: null, detail: { encounterId: id } }),
        change: ({ id }) => this.#verdict(id, 'released'),
        run: ({ id }) => this.#review(id, 'released'),
      },
      'POST holds/reject': {
        audit: ({ id }) => ({ action: 'hold.reject', userId: null, detail: { encounterId: id } }),
        change: ({ id }) => this.#verdict(id, 'rejected'),
        run: ({ id }) => this.#review(id, 'rejected'),
      },
      'GET users/audit': { audit: of('audit.read'), run: call => this.#audited(call) },
    };
  }

  /** Concerns nobody in particular. */
  readonly #list: Route = {
    audit: () => ({ action: 'hold.list', userId: null, detail: {} }),
    run: () => this.#holds(),
  };

  readonly #table: Route = {
    audit: () => ({ action: 'socket.list', userId: null, detail: {} }),
    run: () => this.#sockets(),
  };

  readonly #rates: Route = {
    audit: () => ({ action: 'rate.list', userId: null, detail: {} }),
    run: async () => this.#gathered(await this.#options.inquiry.ask({ ask: 'rates' }, OPERATOR.answerMs)),
  };

  /** Every gateway that hears of it has it at once; one that starts later begins with what is configured. */
  #rateOf(what: RateClass): Route {
    return {
      body: NewRate,
      audit: () => ({ action: 'rate.set', userId: null, detail: { class: what } }),
      change: ({ body }) => ({
        before: () => this.#rateNow(what),
        after: { ...(body as Static<typeof NewRate>) },
      }),
      run: async ({ body }) => {
        const { perS, burst } = body as Static<typeof NewRate>;
        const asked = { ask: 'rate', class: what, perS, burst } as const;
        return this.#gathered(await this.#options.inquiry.ask(asked, OPERATOR.answerMs));
      },
    };
  }

  /** As the gateways have it that answer: one value each, where they differ. */
  async #rateNow(what: RateClass): Promise<AuditState | null> {
    const { answers } = await this.#options.inquiry.ask({ ask: 'rates' }, OPERATOR.answerMs);
    const rates = answers.flatMap(({ answer }) => answer.rates?.[what] ?? []);
    const said = (name: 'perS' | 'burst'): number | string => {
      const all = [...new Set(rates.map(rate => rate[name]))].sort((a, b) => a - b);
      return all.length === 1 ? all[0]! : all.join(' ');
    };
    return rates.length === 0 ? null : { perS: said('perS'), burst: said('burst') };
  }

  /** What each gateway said; whoever did not answer is missing. */
  #gathered({ answers, asked, answered: heard }: Gathered<'rates' | 'rate'>): Result<Answer> {
    const rows = answers.map(({ gateway, answer }) => ({ gateway, ...answer }));
    rows.sort((a, b) => (a.gateway < b.gateway ? -1 : 1));
    return answered(200, { gateways: { asked, answered: heard }, rows });
  }

  /** Null when this is no route of ours. */
  async handle(request: Request): Promise<Answer | null> {
    const { method, path } = request;
    if (`${method} ${path}` === OPERATORS) return said(await this.#hire(request));
    if (`${method} ${path}` === HOLDS) return said(await this.#through(this.#list, null, request));
    if (`${method} ${path}` === SOCKETS) return said(await this.#through(this.#table, null, request));
    if (`${method} ${path}` === RATES) return said(await this.#through(this.#rates, null, request));
    const rate = method === 'PUT' ? RATE.exec(path) : null;
    if (rate !== null) {
      const what = rate[1]!;
      if (!isRateClass(what)) return said(noSuchClass);
      return said(await this.#through(this.#rateOf(what), null, request));
    }
    const match = PATH.exec(path);
    const route = match && this.#routes[`${method} ${match[1]}${match[3] ?? ''}`];
    if (!match || !route) return null;
    return said(await this.#through(route, match[2]!, request));
  }

  /** Who, what, whom; then the line; then the deed. */
  #through(route: Route, id: string | null, request: Request): Promise<Result<Answer>> {
    return attend(this.#options, request, async () => {
      if (id !== null && !isUuid(id)) return noSuchOne;
      const body = route.body === undefined ? ok(undefined) : await bodyOf(route.body, request);
      if (!body.ok) return body;
      const call = { id: (id ?? '').toLowerCase(), body: body.value };
      const change = route.change?.(call);
      return { line: route.audit(call), ...(change && { change }), work: () => route.run(call) };
    });
  }

  #hire(request: Request): Promise<Result<Answer>> {
    return attendMachine(this.#options, request, async () => {
      const body = await bodyOf(NewOperator, request);
      if (!body.ok) return body;
      const { handle: as, password } = body.value;
      const handle = as.toLowerCase();
      return {
        line: { action: 'operator.create', userId: null, detail: { handle } },
        change: changedTo({ kind: 'operator' }),
        work: () => this.#make(handle, password),
      };
    });
  }

  async #make(handle: string, password: string): Promise<Result<Answer>> {
    const { directory, passwords, newDeviceId } = this.#options;
    const hashed = await passwords.hash(password);
    if (!hashed.ok) return hashed;
    // Its devices are linked as it signs in; an account has a first one, and this is nobody's.
    const user = { kind: 'operator', handle, passwordHash: hashed.value, deviceId: newDeviceId() } as const;
    const made = await directory.createUser({ ...user, zip: null, badge: null });
    return made.ok ? answered(201, { userId: made.value.userId, handle }) : made;
  }

  async #look({ id }: Call): Promise<Result<Answer>> {
    const { inquiry, nodeOf } = this.#options;
    const waitMs = OPERATOR.pingMs + OPERATOR.answerMs;
    const [inspected, looked] = await Promise.all([
      this.#user<UserInspection>(id, { type: 'inspect' }),
      inquiry.ask({ ask: 'look', userId: id }, waitMs),
    ]);
    if (!inspected.ok && inspected.code === ERROR.notFound) return inspected;
    return answered(200, personView(id, nodeOf(id), inspected, looked));
  }

  async #disconnect({ id, body }: Call): Promise<Result<Answer>> {
    const { code, deviceId } = body as Static<typeof Disconnect>;
    const message: UserMessage = { type: 'disconnect', code, ...(deviceId !== undefined && { deviceId }) };
    const done = await this.#user<{ readonly closed: number }>(id, message);
    return done.ok ? answered(200, { closed: done.value.closed }) : done;
  }

  /** 200 when it holds for good; 503 when it holds where it was heard only: asked for again, it is stored. */
  async #revoke(what: { userId: string } | { tokenId: string }): Promise<Result<Answer>> {
    const { revocations } = this.#options;
    const { stored } = await ('userId' in what
      ? revocations.user(what.userId)
      : revocations.token(what.tokenId));
    return stored ? answered(200, { stored }) : NOT_STORED;
  }

  async #follow({ id, body }: Call): Promise<Result<Answer>> {
    const { inquiry, traced } = this.#options;
    const leftMs = (body as Static<typeof Trace>).minutes * 60_000;
    const {
      answers,
      asked,
      answered: heard,
    } = await inquiry.ask({ ask: 'watch', userId: id, leftMs }, OPERATOR.answerMs);
    const watching = answers.filter(one => one.answer.watching).length;
    if (watching === 0) return tooMany;
    traced(id, leftMs);
    return answered(200, { leftMs, gateways: { asked, answered: heard, watching } });
  }

  async #read({ id }: Call): Promise<Result<Answer>> {
    const {
      answers,
      asked,
      answered: heard,
    } = await this.#options.inquiry.ask({ ask: 'read', userId: id }, OPERATOR.answerMs);
    const all = answers.flatMap(({ gateway, answer }) =>
      answer.entries.map((entry: TraceEntry) => ({ ...entry, gateway })),
    );
    const seen = all.length + answers.reduce((sum, { answer }) => sum + answer.dropped, 0);
    const entries = all.sort((a, b) => a.atMs - b.atMs).slice(-OPERATOR.traceEntries);
    return answered(200, {
      userId: id,
      leftMs: Math.max(0, ...answers.map(one => one.answer.leftMs)),
      dropped: seen - entries.length,
      gateways: { asked, answered: heard },
      entries,
    });
  }

  async #unfollow({ id }: Call): Promise<Result<Answer>> {
    const { inquiry, traced } = this.#options;
    traced(id, 0);
    const { asked, answered: heard } = await inquiry.ask({ ask: 'unwatch', userId: id }, OPERATOR.answerMs);
    return answered(200, { gateways: { asked, answered: heard } });
  }

  async #audited({ id }: Call): Promise<Result<Answer>> {
    const entries = await this.#options.auditLog.newest(OPERATOR.audited, id);
    return answered(200, { userId: id, entries });
  }

  async #sockets(): Promise<Result<Answer>> {
    const { inquiry } = this.#options;
    const { answers, asked, answered: heard } = await inquiry.ask({ ask: 'count' }, OPERATOR.answerMs);
    const rows = answers.map(({ gateway, answer }) => ({ gateway, ...answer }));
    rows.sort((a, b) => (a.node + a.gateway < b.node + b.gateway ? -1 : 1));
    return answered(200, { gateways: { asked, answered: heard }, rows });
  }

  async #holds(): Promise<Result<Answer>> {
    const found = await this.#options.directory.holds(OPERATOR.holds);
    const holds = found.map(({ trust, ...hold }) => ({ ...hold, reasons: reasonsOf(trust) }));
    return answered(200, { holds });
  }

  #verdict(encounterId: string, verdict: Review['verdict']): Change {
    const before = async (): Promise<AuditState | null> => {
      const found = await this.#options.directory.hold(encounterId);
      return found && { verdict: found.verdict };
    };
    return { before, after: { verdict } };
  }

  /** The pair decides, by the ledger's own statement; a repeat of the same verdict changes nothing. */
  async #review(encounterId: string, verdict: Review['verdict']): Promise<Result<Answer>> {
    const { directory, door } = this.#options;
    const found = await directory.hold(encounterId);
    if (found === null) return noSuchOne;
    const { officer, civilian } = found;
    const message: Review = { type: 'review', encounterId, verdict };
    const pair = { kind: 'pair', id: pairId(officer.id, civilian.id) } as const;
    const result = await askActor<Reviewed>(door, pair, message, { keyed: true });
    return result.ok ? answered(200, result.value) : result;
  }

  #user<T>(id: string, message: UserMessage): Promise<Result<T>> {
    return askActor(this.#options.door, { kind: 'user', id }, message);
  }
}

/**
 * Where operators ask what the streams told of people, and look after the records that nobody could take. As at the other
 * desks, each request is of a known operator and stands in the audit log before it takes effect.
 */
import type { DeadLetters } from '../../nodes/deadLetterPort.ts';
import type { UsersDomain } from '../../nodes/usersDomainPort.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import type { Verifier } from '../auth/identify.ts';
import {
  type Answer,
  answered,
  attend,
  changedTo,
  type Deed,
  type Line,
  type LineOptions,
  type Request,
  said,
} from './entrance.ts';
import { OPERATOR } from './limits.ts';
import { daysOf, reported } from './reports.ts';

export interface StreamsDeskOptions extends Verifier, LineOptions {
  readonly domain: UsersDomain;
  readonly deadLetters: DeadLetters;
}

export const STREAM_ROUTES = [
  'GET    /admin/people/{id}/officers-met   officers a civilian met',
  'GET    /admin/people/{id}/transactions?before=   movements of points, as the streams told them',
  'GET    /admin/people/{id}/donations?before=      donations to a family or charity',
  'GET    /admin/people/{id}/goods-sold     what a merchant sold, by offer',
  'GET    /admin/reports/participation?from=&to=    people and encounters by zip code and day (UTC), from the streams',
  'GET    /admin/dead-letters?consumer=users&after= records of the streams that could not be taken',
  'POST   /admin/dead-letters/replay?consumer=users&id=  tries one of them once more',
] as const;

const PERSON = /^\/admin\/people\/([^/]+)\/(officers-met|transactions|donations|goods-sold)$/;
const noSuchPerson = refuse(ERROR.notFound, 'no such account');
const badPage = refuse(ERROR.invalid, 'before is the next of the page before');
const badConsumer = refuse(ERROR.invalid, 'consumer is the name of a reader, `users` for example');
const noSuchLetter = refuse(ERROR.notFound, 'no such record, or it was too long to be kept');
const stillPoison = refuse(ERROR.conflict, 'it still cannot be taken; it stays where it is');

const CONSUMER = /^[a-z][a-z-]{0,31}$/;
/** Stream, shard and number. */
const LETTER = /^[\w.-]{1,128}\/[\w-]{1,128}\/\d{1,128}$/;

export class StreamsDesk {
  readonly #options: StreamsDeskOptions;

  constructor(options: StreamsDeskOptions) {
    this.#options = options;
  }

  /** Null when this is no route of ours. */
  async handle(request: Request): Promise<Answer | null> {
    const asked = this.#askedOf(request);
    return asked && said(await attend(this.#options, request, asked));
  }

  #askedOf(request: Request): (() => Deed | Result<never>) | null {
    const { method, path } = request;
    switch (`${method} ${path}`) {
      case 'GET /admin/reports/participation':
        return () => this.#report(request);
      case 'GET /admin/dead-letters':
        return () => this.#letters(request);
      case 'POST /admin/dead-letters/replay':
        return () => this.#replay(request);
    }
    const person = method === 'GET' ? PERSON.exec(path) : null;
    return person && (() => this.#person(person[1]!, person[2]!, request));
  }

  #person(given: string, question: string, { query }: Request): Deed | Result<never> {
    if (!isUuid(given)) return noSuchPerson;
    const before = query.get('before')?.toLowerCase() ?? null;
    if (before !== null && !isUuid(before)) return badPage;
    const { domain } = this.#options;
    const userId = given.toLowerCase();
    const limit = OPERATOR.domainRows;
    const line: Line = { action: 'domain.look', userId, detail: { question } };
    const whole = (items: readonly object[]): Result<Answer> =>
      answered(200, { items: items.slice(0, limit), complete: items.length <= limit });
    const paged = (rows: readonly { readonly id: string }[]): Result<Answer> => {
      const items = rows.slice(0, limit);
      return answered(200, { items, next: rows.length > limit ? items.at(-1)!.id : null });
    };
    const work = async (): Promise<Result<Answer>> => {
      if (question === 'officers-met') return whole(await domain.officersMet(userId, limit + 1));
      if (question === 'goods-sold') return whole(await domain.goodsSold(userId, limit + 1));
      if (question === 'donations') return paged(await domain.donationsTo(userId, limit + 1, before));
      return paged(await domain.transactions(userId, limit + 1, before));
    };
    return { line, work };
  }

  #report({ query }: Request): Deed | Result<never> {
    const days = daysOf(query);
    if (!days.ok) return days;
    const { from, to } = days.value;
    return {
      line: { action: 'report.participation', userId: null, detail: { from, to } },
      work: async () => {
        const rows = await this.#options.domain.participation(from, to, OPERATOR.reportRows + 1);
        return reported(days.value, rows, row => row.civilians + row.officers);
      },
    };
  }

  #letters({ query }: Request): Deed | Result<never> {
    const consumer = query.get('consumer') ?? 'users';
    const after = query.get('after');
    if (!CONSUMER.test(consumer)) return badConsumer;
    if (after !== null && !LETTER.test(after)) return noSuchLetter;
    return {
      line: { action: 'dead.list', userId: null, detail: { consumer } },
      work: async () => answered(200, { items: await this.#options.deadLetters.list(consumer, after) }),
    };
  }

  #replay({ query }: Request): Deed | Result<never> {
    const consumer = query.get('consumer') ?? 'users';
    const id = query.get('id') ?? '';
    if (!CONSUMER.test(consumer)) return badConsumer;
    if (!LETTER.test(id)) return noSuchLetter;
    return {
      line: { action: 'dead.replay', userId: null, detail: { consumer, id } },
      change: changedTo({ replayed: true }),
      work: async () => {
        const replayed = await this.#options.deadLetters.replay(consumer, id);
        if (replayed === 'taken') return answered(200, { id });
        return replayed === 'poison' ? stillPoison : noSuchLetter;
      },
    };
  }
}
